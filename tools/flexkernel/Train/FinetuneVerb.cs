using System.CommandLine;
using FlexKernel.Adapters;
using FlexKernel.Cli.Options;
using FlexKernel.Model;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Trains a low-rank adapter of a whole model.</summary>
internal sealed class FinetuneVerb : Verb
{
    private const int DefaultRank = 16;

    private readonly RunOptionSet _run;
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<bool> _texts = OptionFactory.Flag("--texts", "Learn all of plain texts; without it, what the assistant says in conversations (JSON lines with messages)");
    private readonly Option<bool> _noPack = OptionFactory.Flag(
        "--no-pack", "Let each conversation be a sequence of its own; by default those of a step share windows, which is faster and learns the same");

    private readonly Option<int?> _rank = OptionFactory.Value("--rank", $"Rank of the adapter; {DefaultRank} by default", "R", Parsers.Integer(1));
    private readonly Option<float?> _alpha = OptionFactory.Value("--alpha", "Its scale is alpha over rank; twice the rank by default", "A", Parsers.Number);

    private readonly Option<float?> _dropout = OptionFactory.Value(
        "--lora-dropout", "Probability with which steps drop inputs of the adapter; 0 by default, or what --adapter says", "P", Parsers.Number);

    private readonly Option<string[]> _targets = OptionFactory.List(
        "--targets", "Modules that are adapted, such as q_proj,v_proj; all-linear by default", "NAME[,NAME]", Parsers.Name);

    private readonly Option<string?> _adapter = OptionFactory.Text("--adapter", "Go on with this adapter (PEFT's files) instead of a new one", "DIR");

    public FinetuneVerb(Terminal terminal)
        : base("finetune", "Trains a LoRA adapter of a whole model, in PEFT's file format; nothing leaves the machine.", terminal)
    {
        _run = new RunOptionSet(this);
        foreach (Option option in (Option[])[_model, _texts, _noPack, _rank, _alpha, _dropout, _targets, _adapter])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("runs/support --model models --data chats.jsonl", "learn the assistant's answers of conversations"),
        new("runs/style --texts --data letters/ --rank 8 --targets q_proj,v_proj", "learn plain texts, with a small adapter"),
        new("runs/more --adapter runs/support/adapter --data chats2.jsonl", "go on with an adapter, of ours or of PEFT"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string source = ModelLocator.Find(parse.GetValue(_model));
        ModelDescription model = ModelConfigReader.Read(Path.Combine(source, "config.json"));
        bool isChat = !parse.GetValue(_texts), isPacked = !parse.GetValue(_noPack);
        if (!isChat && !isPacked)
        {
            throw CliException.Usage("--no-pack is for conversations; --texts are windows of one length");
        }

        RunData data = _run.Data(parse, model.MaxPositions, isChat) with { PackConversations = isChat && isPacked };
        string? adapter = parse.GetValue(_adapter);
        if (adapter is not null && (parse.GetValue(_rank) is not null || parse.GetValue(_alpha) is not null || parse.GetValue(_targets) is { Length: > 0 }))
        {
            throw CliException.Usage("--adapter brings its own rank, alpha and targets; leave out --rank, --alpha and --targets");
        }

        LoraAdapter start = adapter is null ? StartAdapter.Create(model, Config(parse, source), _run.Seed(parse)) : LoraAdapter.Load(adapter, model);
        start = WithDropout(start, parse);
        _run.CheckDirectory(parse);
        using RunTexts texts = await RunRunner.OpenAsync(Terminal, data, source, _run.Pieces, parse, cancellationToken);
        data = texts.Identify(data);
        RunDefinition definition = _run.Define(
            parse, "finetune", Path.GetFullPath(source), data, texts.Training.Count, Recipe.Adapter(_run.WeightDecay(parse, 0)), Recipe.AdapterRate);
        using RunDirectory directory = RunDirectory.Create(_run.Directory(parse), _run.Overwrite(parse));
        start.Save(directory.StartAdapter);
        directory.Define(definition with { Adapter = RunDirectory.StartAdapterName, Dropout = start.Config.Dropout });
        int exitCode = await RunRunner.RunAsync(Terminal, directory, texts, _run.Pieces, parse, cancellationToken);
        if (!_run.Pieces.IsQuiet(parse) && Directory.Exists(directory.Adapter))
        {
            string verb = parse.GetValue(_texts) ? "generate" : "chat";
            Terminal.Note($"try it with: {App.Name} {verb} --model {source} --adapter {directory.Adapter}");
        }

        return exitCode;
    }

    private LoraAdapter WithDropout(LoraAdapter adapter, ParseResult parse)
    {
        double dropout = parse.GetValue(_dropout) is { } given ? (double)(decimal)given : adapter.Config.Dropout;
        return dropout is >= 0 and < 1
            ? new LoraAdapter(adapter.Config with { Dropout = dropout }, adapter.Updates, adapter.SavedTensors)
            : throw CliException.Usage($"--lora-dropout: expected a number from 0 to below 1, found {dropout}");
    }

    private AdapterConfig Config(ParseResult parse, string source)
    {
        int rank = parse.GetValue(_rank) ?? DefaultRank;
        float alpha = parse.GetValue(_alpha) ?? 2 * rank;
        if (!float.IsFinite(alpha) || alpha <= 0)
        {
            throw CliException.Usage($"--alpha: expected a number above 0, found {alpha}");
        }

        string[] targets = parse.GetValue(_targets) ?? [];
        return new AdapterConfig
        {
            TargetModules = targets is [] or ["all-linear"] ? ModuleSelection.AllLinear : ModuleSelection.OfNames(targets),
            Rank = rank,
            Alpha = alpha,
            BaseModel = Path.GetFullPath(source),
        };
    }
}
