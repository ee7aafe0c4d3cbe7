using System.Text;
using FlexKernel.Adapters;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Tests;
using FlexKernel.Training.Data;
using FlexKernel.Training.Optimizers;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;

namespace FlexKernel.Training.Tests.Runs;

/// <summary>A run of a few steps on a model of two layers, in directories of its own.</summary>
internal sealed class TinyRun : IDisposable
{
    public const int Steps = 12;

    private const int EndOfText = 4075;
    private readonly TemporaryDirectory _files = new();

    public string Path => _files["run"];

    public string Cache => _files["cache"];

    public CorpusOptions Corpora => new() { CacheDirectory = Cache, Threads = 1 };

    /// <summary>Writes a dense model with a tokenizer.</summary>
    public string WriteModel()
    {
        string tokenizer = _files["tokenizer"];
        Directory.CreateDirectory(tokenizer);
        File.Copy(TestData.Fixture("tokenizer/dolma2-first4096.tokenizer.json"), System.IO.Path.Combine(tokenizer, "tokenizer.json"), overwrite: true);
        ShapeOverrides shape = new() { Layers = 2, Hidden = 32, Heads = 2, Intermediate = 64, Vocabulary = 4096, EndOfSequence = EndOfText };
        ReadOnlyMemory<byte> config = shape.Apply(ModelShapes.Config("olmo2-7b"), "config.json");
        SyntheticModel.Write(_files["model"], config, new SyntheticOptions { Type = TensorType.F32, TokenizerDirectory = tokenizer, Overwrite = true });
        return _files["model"];
    }

    /// <summary>Writes texts that a model can learn.</summary>
    public string WriteTexts(string name = "texts.jsonl", int documents = 60)
    {
        StringBuilder lines = new();
        for (int i = 0; i < documents; i++)
        {
            lines.Append($$"""{"text":"Document {{i}} says: {{i}} and {{i + 1}} make {{i + i + 1}}; {{i}} times two is {{2 * i}}. The end of it."}""").Append('\n');
        }

        return _files.Write(name, Encoding.UTF8.GetBytes(lines.ToString()));
    }

    /// <summary>A run that trains a whole model by two rules, so that every kind of state counts.</summary>
    public RunDefinition DefineBase(int steps = Steps) => Define(
        "base",
        WriteModel(),
        Recipe.Base(ModelConfigReader.Read(System.IO.Path.Combine(_files["model"], "config.json")), OptimizerKind.Muon, 0.01),
        steps,
        Recipe.BaseRate(OptimizerKind.Muon));

    /// <summary>A run that trains an expert beside a frozen model.</summary>
    public RunDefinition DefineExpert(int rank, OptimizerKind optimizer, int steps = Steps, double weightDecay = 0)
    {
        string model = WriteModel();
        float[][] rows = [[.. Enumerable.Range(0, 32).Select(i => 0.01f * i)], [.. Enumerable.Range(0, 32).Select(i => 0.1f - 0.005f * i)]];
        string start = System.IO.Path.Combine(Path, RunDirectory.StartName);
        HybridModel.Write(start, model, new HybridOptions { Name = "sums", Rank = rank, PublicRows = rows, OwnRows = rows, Bias = -0.02f });
        ModelDescription hybrid = ModelConfigReader.Read(System.IO.Path.Combine(start, "config.json"));
        return Define(
            "expert", RunDirectory.StartName, Recipe.Expert(hybrid, optimizer, hasBias: true, weightDecay), steps, Recipe.ExpertRate(optimizer, rank > 0));
    }

    /// <summary>A run that trains an adapter on conversations.</summary>
    public RunDefinition DefineChat(bool isPacked, int steps = Steps, double dropout = 0)
    {
        string model = WriteModel();
        File.WriteAllText(System.IO.Path.Combine(model, "chat_template.jinja"), ChatTemplate.ImStart.Source);
        StringBuilder lines = new();
        for (int i = 0; i < 40; i++)
        {
            lines.Append($$"""{"messages":[{"role":"user","content":"How much is {{i}} and {{i}}?"},{"role":"assistant","content":"{{string.Concat(Enumerable.Repeat("It is ", i % 5))}}{{2 * i}}."}]}""").Append('\n');
        }

        AdapterConfig config = new() { TargetModules = ModuleSelection.AllLinear, Rank = 2, Alpha = 4, Dropout = dropout };
        ModelDescription description = ModelConfigReader.Read(System.IO.Path.Combine(model, "config.json"));
        StartAdapter.Create(description, config, seed: 1).Save(System.IO.Path.Combine(Path, RunDirectory.StartAdapterName));
        RunData data = new() { Sources = [_files.Write("chats.jsonl", Encoding.UTF8.GetBytes(lines.ToString()))], ValidationShare = 0.2, Window = 96, IsChat = true, PackConversations = isPacked };
        RunDefinition definition = Define("finetune", model, Recipe.Adapter(0), steps, 0.01, data) with { Batch = 6, Adapter = RunDirectory.StartAdapterName, Dropout = dropout };
        Write(definition);
        return definition;
    }

    /// <summary>Writes a definition into the run's directory.</summary>
    public void Write(RunDefinition definition)
    {
        Directory.CreateDirectory(Path);
        definition.Write(System.IO.Path.Combine(Path, "run.json"));
    }

    /// <summary>Goes on with the run in this process.</summary>
    public RunResult Continue(RunOptions? options = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using RunDirectory directory = RunDirectory.Open(Path);
        RunDefinition definition = directory.Read();
        using RunTexts texts = RunTexts.Open(definition.Data, System.IO.Path.Combine(directory.Path, definition.Start), Corpora, progress: null, cancellationToken);
        return TrainingRun.Continue(directory, texts, options ?? On(KernelPaths.Default, 2), progress, cancellationToken);
    }

    /// <summary>Options of a path and a number of threads, with a checkpoint after every step.</summary>
    public static RunOptions On(KernelPath path, int threads) => new()
    {
        Training = new TrainingOptions { Path = path, Threads = threads },
        CheckpointInterval = TimeSpan.Zero,
    };

    /// <summary>The log without times.</summary>
    public string[] Log() => [.. File.ReadAllLines(System.IO.Path.Combine(Path, "log.jsonl")).Select(line => line.Split(",\"seconds\"")[0])];

    public string this[string name] => _files[name];

    public void Dispose() => _files.Dispose();

    private RunDefinition Define(
        string recipe, string start, System.Collections.Immutable.ImmutableArray<ParameterRule> rules, int steps, double rate, RunData? data = null)
    {
        data ??= new RunData { Sources = [WriteTexts()], ValidationShare = 0.2, Window = 16, IsolateDocuments = true };
        using RunTexts texts = RunTexts.Open(data, System.IO.Path.Combine(Path, start), Corpora);
        RunDefinition definition = new()
        {
            Recipe = recipe,
            Start = start,
            Data = texts.Identify(data),
            Rules = rules,
            Schedule = new LearningRateSchedule { Peak = rate, Steps = steps, WarmupSteps = 2 },
            Batch = 2,
            ValidationSteps = 4,
            ValidationSequences = 5,
            ResultType = TensorType.F32,
        };
        Write(definition);
        return definition;
    }
}
