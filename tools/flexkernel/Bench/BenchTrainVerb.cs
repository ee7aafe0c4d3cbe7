using System.CommandLine;
using System.Diagnostics;
using FlexKernel.Cli.Options;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures training: tokens per second, the share of the multiply-add peak, memory, in turns with rivals.</summary>
internal sealed class BenchTrainVerb : Verb
{
    private const string DefaultShape = "10m";
    private const int DefaultTokens = 256;
    private const int DefaultSequences = 8;
    private const int DefaultSteps = 3;
    private const int DefaultTurns = 3;

    private readonly Option<string?> _shape = OptionFactory.Text(
        "--shape", $"Train random weights of a shape: {BenchShapes.All}; {DefaultShape} by default", "NAME");

    private readonly Option<int?> _layers = Size("--layers", "Number of layers");
    private readonly Option<int?> _hidden = Size("--hidden", "Model width; heads keep their size and change in number");
    private readonly Option<int?> _intermediate = Size("--intermediate", "Inner width of the feed-forward network");
    private readonly Option<int?> _heads = Size("--heads", "Number of attention heads");
    private readonly Option<int?> _vocabulary = Size("--vocab", "Rows of embedding and head");
    private readonly Option<int?> _tokens = Size("--tokens", $"Tokens of a sequence; {DefaultTokens} by default");
    private readonly Option<int?> _batch = Size("--batch", $"Sequences of a step; {DefaultSequences} by default");

    private readonly Option<int?> _threads = OptionFactory.Value(
        "--threads", "Worker threads; all processors by default", "N", Parsers.Integer(1, EngineOptions.MaxThreads));

    private readonly Option<KernelPath?> _path = OptionFactory.Value("--path", "Vector width; the widest by default", "WIDTH", Parsers.Path);
    private readonly Option<int?> _steps = Size("--steps", $"Steps of a turn; {DefaultSteps} by default");
    private readonly Option<int?> _turns = Size("--turns", $"Turns of ours and of each rival; {DefaultTurns} by default");

    private readonly Option<string[]> _rivals = OptionFactory.Texts(
        "--rival", "A command that trains the same in turns with ours, such as 'python3 bench/torch_train.py'; repeatable", "COMMAND");

    private readonly Option<bool> _json = CommonOptions.Json("Write one object");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();
    private readonly Option<string?> _results = ResultStore.Option();

    public BenchTrainVerb(Terminal terminal)
        : base("train", "Measures training: tokens per second, the share of the machine's multiply-add peak, memory.", terminal)
    {
        foreach (Option option in (Option[])[
            _shape, _layers, _hidden, _intermediate, _heads, _vocabulary, _tokens, _batch, _threads, _path, _steps, _turns, _rivals, _json, _quiet, _results])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("--threads 1", "10 layers of width 256, 8 x 256 tokens a step"),
        new("--shape tiny --tokens 128 --batch 2", "a small mixture"),
        new("--rival 'python3 bench/torch_train.py' --results bench/results", "in turns with PyTorch, kept"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        KernelPath path = parse.GetValue(_path) ?? KernelPaths.Default;
        EngineOptions.RequireSupported(path);
        TrainPlan plan = new(
            parse.GetValue(_tokens) ?? DefaultTokens,
            parse.GetValue(_batch) ?? DefaultSequences,
            parse.GetValue(_threads) ?? Environment.ProcessorCount,
            path,
            parse.GetValue(_steps) ?? DefaultSteps,
            parse.GetValue(_turns) ?? DefaultTurns);
        string shape = parse.GetValue(_shape) ?? DefaultShape;
        ReadOnlyMemory<byte> config = Config(parse, shape);
        ModelDescription model = ModelConfigReader.Read(config, shape);
        TrainRival[] rivals = [.. (parse.GetValue(_rivals) ?? []).Select(command => new TrainRival(command))];
        if (plan.Tokens > model.MaxPositions)
        {
            throw CliException.Usage($"--tokens is {plan.Tokens}; the model has {model.MaxPositions} positions");
        }

        if (rivals.Length > 0 && model.Mixture is not null)
        {
            throw CliException.Usage($"--rival: rivals train dense models; {shape} has experts");
        }

        TrainReport report = Measure(parse, shape, config, plan, rivals, cancellationToken);
        report.Write(Terminal.Out, parse.GetValue(_json));
        if (parse.GetValue(_results) is { } directory)
        {
            Terminal.Note($"added to {ResultStore.Append(directory, report.Machine, TimeProvider.System, "train", report.WriteJson)}");
        }

        return Task.FromResult(ExitCode.Ok);
    }

    private static Option<int?> Size(string name, string description) => OptionFactory.Value(name, description, "N", Parsers.Integer(1));

    private static double Median(IEnumerable<double> values) => Spread.Of(values).Median;

    private ReadOnlyMemory<byte> Config(ParseResult parse, string shape)
    {
        if (!BenchShapes.Names.Contains(shape))
        {
            throw CliException.Usage($"--shape: expected {BenchShapes.All}, found '{shape}'");
        }

        ShapeOverrides sizes = new()
        {
            Layers = parse.GetValue(_layers),
            Hidden = parse.GetValue(_hidden),
            Intermediate = parse.GetValue(_intermediate),
            Heads = parse.GetValue(_heads),
            Vocabulary = parse.GetValue(_vocabulary),
        };
        return sizes.Apply(ModelShapes.Config(shape), shape);
    }

    private TrainReport Measure(
        ParseResult parse, string shape, ReadOnlyMemory<byte> config, TrainPlan plan, TrainRival[] rivals, CancellationToken cancellationToken)
    {
        MachineFacts machine = MachineFacts.Read();
        Tell("making random weights, warming up");
        using TrainBench bench = new(config, plan, cancellationToken);
        bench.WarmUp(cancellationToken);
        List<double> peaks = [MachineProbe.FusedMultiplyAddPeak(plan.Path, plan.Threads)];
        List<List<double>> ours = [];
        List<TrainRivalTurn>[] theirs = [.. rivals.Select(_ => new List<TrainRivalTurn>())];
        for (int turn = 1; turn <= plan.Turns; turn++)
        {
            Tell($"turn {turn} of {plan.Turns}");
            ours.Add(bench.Turn(cancellationToken));
            peaks.Add(MachineProbe.FusedMultiplyAddPeak(plan.Path, plan.Threads));
            for (int i = 0; i < rivals.Length; i++)
            {
                theirs[i].Add(rivals[i].Run(bench.Description, plan, cancellationToken));
            }
        }

        using Process self = Process.GetCurrentProcess();
        List<TrainedEngine> engines = [new(App.Name, Spread.Of(ours.SelectMany(t => t)), self.PeakWorkingSet64, null)];
        engines.AddRange(theirs.Select(turns => new TrainedEngine(
            turns[0].Description,
            Spread.Of(turns.SelectMany(t => t.Rates)),
            turns.Max(t => t.PeakBytes),
            Spread.Of(ours.Zip(turns, (a, b) => Median(a) / Median(b.Rates))))));
        return new TrainReport(
            machine, CommandText.Of(parse), shape, bench.Description, plan, new Ceiling(CeilingKind.MultiplyAdd, peaks), engines);

        void Tell(string step)
        {
            if (Terminal.ErrorIsTerminal && !parse.GetValue(_quiet))
            {
                Terminal.Note(step);
            }
        }
    }
}
