using System.CommandLine;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures speed, and how much of what the machine can do it is.</summary>
internal sealed class BenchVerb : Verb
{
    private const int DefaultRepetitions = 5;
    private const int DefaultDecode = 64;
    private const int DefaultBatch = 512;
    private const int DefaultProbe = 512;
    private static readonly int[] DefaultPrefill = [128, 512];

    private readonly BenchSource _source;
    private readonly RivalOptions _rival = new();

    private readonly Option<int[]> _threads = OptionFactory.List(
        "--threads", "Worker threads; 1 and all processors by default", "N[,N]", Parsers.Integer(1, EngineOptions.MaxThreads));

    private readonly Option<KernelPath[]> _paths = OptionFactory.List(
        "--path", "Vector widths; the widest by default", "WIDTH[,WIDTH]", Parsers.Path);

    private readonly Option<int[]> _prefill = OptionFactory.List(
        "--prefill", $"Prompt lengths, 0 for none; {string.Join(",", DefaultPrefill)} by default", "N[,N]", Parsers.Integer(0));

    private readonly Option<int?> _decode = OptionFactory.Value(
        "--decode", $"Tokens to decode, 0 for none; {DefaultDecode} by default", "N", Parsers.Integer(0));

    private readonly Option<int[]> _contexts = OptionFactory.List(
        "--context", $"Tokens read before decoding begins; {BenchPlan.DefaultContext} by default", "N[,N]", Parsers.Integer(1));

    private readonly Option<int[]> _rows = OptionFactory.List(
        "--rows", "Compare a pass of so many tokens with a pass of one; none by default", "N[,N]", Parsers.Integer(1));

    private readonly Option<int?> _repetitions = OptionFactory.Value(
        "--repetitions", $"Repetitions of each measurement; {DefaultRepetitions} by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _batch = OptionFactory.Value(
        "--batch", $"Most prompt tokens of one pass; {DefaultBatch} by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _probe = OptionFactory.Value(
        "--probe",
        $"MiB that the bandwidth probe reads, several times the last cache; {DefaultProbe} by default",
        "N",
        Parsers.Integer(1, 1 << 20));

    private readonly Option<KvFormat?> _kv = CommonOptions.CacheFormat();

    private readonly Option<BenchFormat?> _output = OptionFactory.Value(
        "--output", "md, csv or json; md by default", "FORMAT", ParseFormat);

    private readonly Option<string?> _roofline = OptionFactory.Text(
        "--roofline", "Draw the ceilings and what was reached as a picture (SVG)", "FILE");

    private readonly Option<string?> _results = ResultStore.Option();

    public BenchVerb(Terminal terminal)
        : base("bench", "Measures prefill and decode, and the share of the machine's measured ceilings they reach.", terminal)
    {
        _source = new BenchSource(terminal);
        foreach (Option option in (Option[])[
            .. _source.All, _threads, _paths, _prefill, _decode, _contexts, _rows, _repetitions, _batch, _kv, _probe, .. _rival.All, _output, _roofline, _results])
        {
            Add(option);
        }

        Add(new ProbeVerb(terminal));
        Add(new TeamVerb(terminal));
        Add(new BenchTrainVerb(terminal));
        Add(new TablesVerb(terminal));
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "a dense model of 474 million random weights"),
        new("--shape 474m-mix --weights bf16,q8,q4 --threads 1 --prefill 512", "one full and six low-rank experts in three formats, one thread"),
        new("--shape 474m-mix --beside 474m --threads 1", "what three low-rank experts more cost, against the dense model of their base"),
        new("--decode 32 --prefill 4096 --context 512,4000 --rows 2,4,8", "long texts, and passes of a few tokens"),
        new("--kv q8 --prefill 0 --context 4000", "writing behind a long text whose keys and values take a byte a number"),
        new("--weights bf16,q8,q4 --threads 1 --roofline roofline.svg", "a picture of what is reached and what bounds it"),
        new("--weights bf16,q8 --rival llama-bench --rival-model bf16=a.gguf --rival-model q8=b.gguf", "in turns with another engine"),
        new("--model models --path 256,512 --output csv --results bench/results", "a model of your own at two vector widths, kept"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        BenchPlan plan = Plan(parse);
        KernelPath[] paths = parse.GetValue(_paths) is { Length: > 0 } given ? given : [KernelPaths.Default];
        Array.ForEach(paths, path => EngineOptions.RequireSupported(path));
        int[] both = [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        int[] threads = parse.GetValue(_threads) is { Length: > 0 } counts ? counts : both;
        MachineFacts machine = MachineFacts.Read();
        IReadOnlyList<WeightFormat?> formats = _source.Formats(parse);
        IReadOnlyList<LlamaBench?> rivals = _rival.Resolve(parse, formats);
        _source.Check(parse, plan.ContextLength);

        List<BenchBlock> blocks = [];
        string? besideName = null;
        foreach ((WeightFormat? format, LlamaBench? rival) in formats.Zip(rivals))
        {
            using BenchModel model = await _source.LoadAsync(parse, format, plan.ContextLength, cancellationToken);
            using BenchModel? beside = await _source.LoadBesideAsync(parse, format, plan.ContextLength, cancellationToken);
            besideName = beside?.Facts.Name;
            BenchRunner runner = new(model, plan, rival, beside);
            foreach ((KernelPath path, int count) in paths.SelectMany(p => threads.Select(t => (p, t))))
            {
                string where = $"weights {model.Facts.Weights}, width {KernelPaths.Name(path)}, {Amounts.Of(count, "thread")}";
                blocks.Add(runner.Run(path, count, step => _source.Tell(parse, $"{where}: {step}"), cancellationToken));
            }
        }

        string? rivalName = rivals.Any(r => r is not null) ? string.Join("; ", rivals.Select(r => r!.Description).Distinct()) : null;
        BenchReport report = new(plan, machine, CommandText.Of(parse), rivalName, besideName, blocks, Disturbances.Find(machine, blocks));
        Write(parse, report);
        if (parse.GetValue(_roofline) is { } picture)
        {
            byte[] svg = Encoding.UTF8.GetBytes(RooflinePicture.Draw(report));
            DurableFile.Write(picture, stream => stream.Write(svg));
        }

        if (parse.GetValue(_results) is { } directory)
        {
            string file = ResultStore.Append(directory, machine, TimeProvider.System, "run", json => JsonBench.Write(json, report));
            Terminal.Note($"added to {file}");
        }

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
            parse.GetValue(_contexts) is { Length: > 0 } contexts ? contexts : [BenchPlan.DefaultContext],
            parse.GetValue(_rows) ?? [],
            parse.GetValue(_repetitions) ?? DefaultRepetitions,
            parse.GetValue(_batch) ?? DefaultBatch,
            (long)(parse.GetValue(_probe) ?? DefaultProbe) << 20,
            parse.GetValue(_kv) ?? KvFormat.F32);
        return plan.IsEmpty
            ? throw CliException.Usage("--prefill 0 and --decode 0 leave nothing to measure")
            : plan;
    }

    private void Write(ParseResult parse, BenchReport report)
    {
        switch (parse.GetValue(_output))
        {
            case BenchFormat.Csv:
                CsvBench.Write(report, Terminal.Out);
                break;
            case BenchFormat.Json:
                using (JsonLines lines = new(Terminal.Out))
                {
                    lines.Write(json => JsonBench.Write(json, report));
                }

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
