using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Training.Optimizers;
using FlexKernel.Training.Runs;
using Xunit;

namespace FlexKernel.Training.Tests.Runs;

public sealed class TrainingRunTests
{
    [Fact]
    public void Continue_PausedAfterEveryStepOnAnotherPath_GivesTheBitsOfOnePiece()
    {
        using TinyRun whole = new(), pieces = new();
        whole.DefineBase();
        pieces.DefineBase();
        RunResult expected = whole.Continue();

        RunResult result;
        int turn = 0;
        do
        {
            KernelPath[] paths = [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)];
            RunOptions options = TinyRun.On(paths[turn % paths.Length], turn % 3 + 1);
            result = Piece(pieces, options);
            turn++;
        }
        while (!result.IsComplete);

        Assert.Equal(TinyRun.Steps, turn);
        Assert.Equal(expected.Sha256, result.Sha256);
        Assert.Equal(expected.LastBitsPerByte, result.LastBitsPerByte);
        Assert.Equal(whole.Log(), pieces.Log());
        Assert.Equal(Bytes(whole), Bytes(pieces));
    }

    [Fact]
    public void Continue_Base_LearnsAndWritesAModelThatLoads()
    {
        using TinyRun run = new();
        run.DefineBase(steps: 60);

        RunResult result = run.Continue();

        Assert.True(result.LastBitsPerByte < 0.7 * result.FirstBitsPerByte, $"{result.FirstBitsPerByte} to {result.LastBitsPerByte}");
        using TrainableModel model = TrainableModel.Load(result.Output!, new TrainingOptions());
        Assert.Equal(result.Sha256, ParameterRules.DigestOfAll(model));
        using LanguageModel engine = LanguageModel.Load(result.Output!);
        Assert.Equal(2, engine.Description.LayerCount);
    }

    [Theory]
    [InlineData(0, OptimizerKind.AdamW, 0)]
    [InlineData(4, OptimizerKind.Muon, 0)]
    [InlineData(0, OptimizerKind.Adafactor, 0.1)]
    public void Continue_ExpertOfAThousandSteps_LeavesWhatIsFrozen(int rank, OptimizerKind optimizer, double weightDecay)
    {
        using TinyRun run = new();
        run.DefineExpert(rank, optimizer, steps: 1000, weightDecay);
        Dictionary<string, string> before = Hashes(run[$"run/{RunDirectory.StartName}"]);

        RunResult result = run.Continue(TinyRun.On(KernelPaths.Default, 2) with { CheckpointInterval = TimeSpan.FromHours(1) });

        Dictionary<string, string> after = Hashes(result.Output!);
        string[] changed = [.. after.Where(pair => before[pair.Key] != pair.Value).Select(pair => pair.Key)];
        Assert.All(changed, name => Assert.True(name.Contains(".experts.1.", StringComparison.Ordinal) || name.EndsWith("gate.weight[1]", StringComparison.Ordinal), name));
        Assert.Equal(2 * ((rank > 0 ? 6 : 3) + 1), changed.Length);
        Assert.True(result.LastBitsPerByte < result.FirstBitsPerByte);
    }

    [Fact]
    public void Update_MaskedButNotFrozen_MovesWithDecayAlone()
    {
        // The trap of model.md 9.2: a masked gradient is zero, and decay moves what it masks.
        using TinyRun run = new();
        run.DefineExpert(0, OptimizerKind.AdamW);
        using TrainableModel model = TrainableModel.Load(run[$"run/{RunDirectory.StartName}"], new TrainingOptions());
        Parameter own = model["model.layers.0.mlp.experts.0.up_proj.weight"];
        string before = own.ComputeSha256();

        new AdamW().Update(own, 1, 0.01, weightDecay: 0);
        string masked = own.ComputeSha256();
        new AdamW().Update(own, 1, 0.01, weightDecay: 0.1);

        Assert.Equal(before, masked);
        Assert.NotEqual(before, own.ComputeSha256());
    }

    [Fact]
    public void Continue_Cancelled_EndsWithACheckpointOfTheLastStep()
    {
        using TinyRun run = new();
        run.DefineBase();
        using CancellationTokenSource stop = new();
        RunOptions options = TinyRun.On(KernelPaths.Default, 1) with { CheckpointInterval = TimeSpan.FromHours(1), Reached = CancelAtThirdStep(stop) };

        Assert.Throws<OperationCanceledException>(() => run.Continue(options, progress: null, stop.Token));

        Assert.True(Directory.Exists(run["run/checkpoints/step-00000003"]));
        Assert.Empty(Directory.EnumerateDirectories(run["run/checkpoints"], "*.tmp"));
    }

    [Fact]
    public void Continue_DamagedCheckpoint_IsSetAsideAndTheOneBeforeIsTaken()
    {
        using TinyRun whole = new(), damaged = new();
        whole.DefineBase();
        damaged.DefineBase();
        string expected = whole.Continue().Sha256;
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() =>
            damaged.Continue(TinyRun.On(KernelPaths.Default, 1) with { Reached = CancelAtThirdStep(stop) }, progress: null, stop.Token));
        string file = damaged["run/checkpoints/step-00000003/weights.safetensors"];
        byte[] bytes = ReadAll(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        List<string> notices = [];

        RunResult result = damaged.Continue(options: null, new Listener(notices));

        Assert.Equal(expected, result.Sha256);
        Assert.Contains(notices, notice => notice.Contains("SHA-256", StringComparison.Ordinal));
        Assert.True(Directory.Exists(damaged["run/checkpoints/step-00000003.damaged"]));
    }

    [Fact]
    public void Continue_OtherTexts_SaysThatTheyChanged()
    {
        using TinyRun run = new();
        run.DefineBase();
        run.WriteTexts(documents: 61);

        RunException e = Assert.Throws<RunException>(() => run.Continue());

        Assert.Contains("training texts changed", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Continue_OtherFrozenWeights_SaysThatTheyChanged()
    {
        using TinyRun run = new();
        run.DefineExpert(4, OptimizerKind.AdamW);
        using CancellationTokenSource stop = new();
        Assert.Throws<OperationCanceledException>(() =>
            run.Continue(TinyRun.On(KernelPaths.Default, 1) with { Reached = CancelAtThirdStep(stop) }, progress: null, stop.Token));
        string weights = run[$"run/{RunDirectory.StartName}/model.safetensors"];
        byte[] bytes = ReadAll(weights);
        bytes[^5] ^= 1;
        File.WriteAllBytes(weights, bytes);

        RunException e = Assert.Throws<RunException>(() => run.Continue());

        Assert.Contains("what does not train changed", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Continue_AnotherProcessTrainsThere_Throws()
    {
        using TinyRun run = new();
        run.DefineBase();
        using RunDirectory held = RunDirectory.Open(run.Path);

        Assert.Throws<RunException>(() => run.Continue());
    }

    [Fact]
    public void Continue_LossThatExplodes_GoesBackAndGivesUpInTheEnd()
    {
        using TinyRun run = new();
        RunDefinition definition = run.DefineBase(steps: 200);
        run.Write(definition with { Schedule = definition.Schedule with { Peak = 1e30, WarmupSteps = 0 }, ClipNorm = 1e30 });
        List<string> notices = [];

        RunException e = Assert.Throws<RunException>(() => run.Continue(
            TinyRun.On(KernelPaths.Default, 1) with { CheckpointInterval = TimeSpan.FromHours(1) }, new Listener(notices)));

        Assert.Contains("lower the rate", e.Message, StringComparison.Ordinal);
        Assert.Equal(5, notices.Count(notice => notice.Contains("back to the checkpoint of step 0", StringComparison.Ordinal)));
    }

    [Fact]
    public void Continue_Deadline_CompletesTheScheduleEarly()
    {
        using TinyRun run = new();
        RunDefinition definition = run.DefineBase(steps: 1_000_000);
        run.Write(definition with { Deadline = TimeSpan.FromSeconds(3) });

        RunResult result = run.Continue(TinyRun.On(KernelPaths.Default, 1) with { CheckpointInterval = TimeSpan.FromHours(1) });

        Assert.True(result.IsComplete);
        Assert.InRange(result.State.Step, 10, 999_999);
        Assert.Equal(result.State.Cut!.End, result.State.Step);
        string last = run.Log().Last(line => line.Contains("\"rate\"", StringComparison.Ordinal));
        Assert.Contains("\"rate\":0,", last, StringComparison.Ordinal);
    }

    [Fact]
    public void Definition_WrittenAndRead_IsTheSame()
    {
        using TinyRun run = new();
        RunDefinition definition = run.DefineExpert(4, OptimizerKind.Muon) with { Deadline = TimeSpan.FromMinutes(20), SpikeDeviations = 5 };
        definition.Write(run["again.json"]);

        RunDefinition read = RunDefinition.Read(run["again.json"]);
        read.Write(run["third.json"]);

        Assert.Equal(definition.Schedule, read.Schedule);
        Assert.Equal(definition.Deadline, read.Deadline);
        Assert.Equal(File.ReadAllText(run["again.json"]), File.ReadAllText(run["third.json"]));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("not json")]
    [InlineData("""{"format":9}""")]
    public void Definition_Malformed_NamesTheFile(string text)
    {
        using TinyRun run = new();
        File.WriteAllText(run["run.json"], text);

        RunException e = Assert.Throws<RunException>(() => RunDefinition.Read(run["run.json"]));

        Assert.Contains("run.json", e.Message, StringComparison.Ordinal);
    }

    private static RunResult Piece(TinyRun run, RunOptions options) => run.Continue(options with { PauseAfter = TimeSpan.FromTicks(1) });

    private static Action<string> CancelAtThirdStep(CancellationTokenSource stop)
    {
        int steps = 0;
        return point =>
        {
            if (point == "step logged" && ++steps == 3)
            {
                stop.Cancel();
            }
        };
    }

    private static byte[] ReadAll(string path) => RegularFile.ReadAll(path, 1 << 26);

    private static byte[] Bytes(TinyRun run) => ReadAll(run["run/model/model.safetensors"]);

    // Of every tensor, and of every row of the routers.
    private static Dictionary<string, string> Hashes(string directory)
    {
        using TrainableModel model = TrainableModel.Load(directory, new TrainingOptions());
        return model.Parameters.Where(p => !p.Name.EndsWith("expert_bias", StringComparison.Ordinal))
            .SelectMany(p => p.Name.EndsWith("gate.weight", StringComparison.Ordinal)
                ? Enumerable.Range(0, p.Rows).Select(row => ($"{p.Name}[{row}]", p.ComputeSha256(row..(row + 1))))
                : [(p.Name, p.ComputeSha256())])
            .ToDictionary(pair => pair.Item1, pair => pair.Item2);
    }

    private sealed class Listener(List<string> notices) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Notice is { } notice)
            {
                notices.Add(notice);
            }
        }
    }
}
