using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures speed, and how much of what the machine can do it is.</summary>
internal sealed class BenchVerb : Verb
{
    private const int DefaultRepetitions = 5;
    private const int DefaultDecode = 64;
    private const int DefaultBatch = 512;
    private const int DefaultProbe = 512;
    private static readonly int[] DefaultPrefill = [128, 512];

    private readonly Option<string?> _model = CommonOptions.Model("Measure the model in this directory");

    private readonly Option<string?> _shape = OptionFactory.Text(
        "--shape",
        $"Measure random weights of a shape: {BenchShapes.All} or a config.json; {BenchShapes.Default} by default",
        "NAME");

    private readonly Option<WeightFormat?> _weights = CommonOptions.Weights(
        "Keep weights as f32, bf16, q8, q4 or q4c; by default as stored, random ones as bf16");

    private readonly Option<int?> _active = CommonOptions.ActiveExperts();

    private readonly Option<int[]> _threads = OptionFactory.List(
        "--threads", "Worker threads; 1 and all processors by default", "N[,N]", Parsers.Integer(1, EngineOptions.MaxThreads));

    private readonly Option<KernelPath[]> _paths = OptionFactory.List(
        "--path", "Vector widths; the widest by default", "WIDTH[,WIDTH]", Parsers.Path);

    private readonly Option<int[]> _prefill = OptionFactory.List(
        "--prefill", $"Prompt lengths, 0 for none; {string.Join(",", DefaultPrefill)} by default", "N[,N]", Parsers.Integer(0));

    private readonly Option<int?> _decode = OptionFactory.Value(
        "--decode", $"Tokens to decode, 0 for none; {DefaultDecode} by default", "N", Parsers.Integer(0));

    private readonly Option<int?> _repetitions = OptionFactory.Value(
        "--repetitions", $"Repetitions of each measurement; {DefaultRepetitions} by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _batch = OptionFactory.Value(
        "--batch", $"Most prompt tokens of one pass; {DefaultBatch} by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _probe = OptionFactory.Value(
        "--probe",
        $"MiB that the bandwidth probe reads, several times the last cache; {DefaultProbe} by default",
        "N",
        Parsers.Integer(1, 1 << 20));

    private readonly Option<BenchFormat?> _output = OptionFactory.Value(
        "--output", "md, csv or json; md by default", "FORMAT", ParseFormat);
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public BenchVerb(Terminal terminal)
        : base("bench", "Measures prefill and decode, and the share of the machine's measured ceilings they reach.", terminal)
    {
        foreach (Option option in (Option[])[
            _model, _shape, _weights, _active, _threads, _paths, _prefill, _decode, _repetitions, _batch, _probe, _output, _quiet])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "a dense model of 474 million random weights"),
        new("--shape 474m-mix --threads 1 --prefill 512", "one full and six low-rank experts, one thread"),
        new("--model models --path 256,512 --output csv", "a model of your own at two vector widths, for a spreadsheet"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        BenchPlan plan = Plan(parse);
        KernelPath[] paths = parse.GetValue(_paths) is { Length: > 0 } given ? given : [KernelPaths.Default];
        Array.ForEach(paths, path => EngineOptions.RequireSupported(path));
        int[] both = [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        int[] threads = parse.GetValue(_threads) is { Length: > 0 } counts ? counts : both;
        MachineFacts machine = MachineFacts.Read();

        using BenchModel model = await LoadAsync(parse, cancellationToken);
        BenchRunner runner = new(model, plan);
        if (runner.ContextLength > model.Description.MaxPositions)
        {
            int positions = model.Description.MaxPositions;
            throw CliException.Usage($"the measurements need {runner.ContextLength} positions; the model has {positions}");
        }

        List<BenchBlock> blocks = [];
        foreach (KernelPath path in paths)
        {
            foreach (int count in threads)
            {
                string where = $"width {KernelPaths.Name(path)}, {Amounts.Of(count, "thread")}";
                blocks.Add(runner.Run(path, count, step => Tell(parse, $"{where}: {step}"), cancellationToken));
            }
        }

        Write(parse, new BenchReport(model, plan, machine, blocks, Disturbances.Find(model, machine, blocks)));
        return ExitCode.Ok;
    }

    private static BenchFormat ParseFormat(string text) => text.ToLowerInvariant() switch
    {
        "md" => BenchFormat.Markdown,
        "csv" => BenchFormat.Csv,
        "json" => BenchFormat.Json,
        _ => throw new FormatException("md, csv or json"),
    };

    private BenchPlan Plan(ParseResult parse)
    {
        int[] prefill = parse.GetValue(_prefill) is { Length: > 0 } given ? [.. given.Where(n => n > 0)] : DefaultPrefill;
        BenchPlan plan = new(
            prefill,
            parse.GetValue(_decode) ?? DefaultDecode,
            parse.GetValue(_repetitions) ?? DefaultRepetitions,
            parse.GetValue(_batch) ?? DefaultBatch,
            (long)(parse.GetValue(_probe) ?? DefaultProbe) << 20);
        return plan.Prefill.Count > 0 || plan.Decode > 0
            ? plan
            : throw CliException.Usage("--prefill 0 and --decode 0 leave nothing to measure");
    }

    private async Task<BenchModel> LoadAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string? directory = parse.GetValue(_model), shape = parse.GetValue(_shape);
        WeightFormat? format = parse.GetValue(_weights);
        int? active = parse.GetValue(_active);
        if (directory is not null && shape is not null)
        {
            throw CliException.Usage("--model and --shape are both given; give one");
        }

        if (directory is null)
        {
            return Random(parse, shape ?? BenchShapes.Default, format ?? WeightFormat.BF16, active, cancellationToken);
        }

        string found = ModelLocator.Find(directory);
        BenchModel.Resolve(ModelConfigReader.Read(Path.Combine(found, "config.json")), active);
        LoadOptions options = new() { Weights = format };
        ModelWeights weights = await LongWork.RunAsync(
            Terminal,
            $"loading {found}",
            WorkUnit.Bytes,
            parse.GetValue(_quiet),
            progress => ModelLoader.Load(found, options, progress, cancellationToken));
        return new BenchModel(found, weights, active);
    }

    private BenchModel Random(ParseResult parse, string shape, WeightFormat format, int? active, CancellationToken cancellationToken)
    {
        ModelDescription description = BenchShapes.Find(shape);
        BenchModel.Resolve(description, active);
        long bytes = BenchModel.Bytes(description, format), available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10 * 9;
        if (bytes > available)
        {
            throw CliException.NotLoaded(
                $"{shape} takes {Amounts.Bytes(bytes)} as {format}; {Amounts.Bytes(available)} of memory may be used");
        }

        Tell(parse, $"{shape}: making {Amounts.Bytes(bytes)} of random weights");
        return new BenchModel(shape, RandomWeights.Create(description, format, cancellationToken: cancellationToken), active);
    }

    private void Tell(ParseResult parse, string step)
    {
        if (Terminal.ErrorIsTerminal && !parse.GetValue(_quiet))
        {
            Terminal.Note(step);
        }
    }

    private void Write(ParseResult parse, BenchReport report)
    {
        switch (parse.GetValue(_output))
        {
            case BenchFormat.Csv:
                CsvBench.Write(report, Terminal.Out);
                break;
            case BenchFormat.Json:
                JsonBench.Write(report, Terminal.Out);
                break;
            default:
                MarkdownBench.Write(report, Terminal.Out);
                return;
        }

        foreach (string warning in report.Warnings)
        {
            Terminal.Note($"warning: {warning}");
        }
    }
}
