using System.CommandLine;
using FlexKernel.Caching;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures the worker team: what a parallel region costs, and what another busy program does to decoding.</summary>
internal sealed class TeamVerb : Verb
{
    private const int DefaultRepetitions = 7;
    private const int DefaultDecode = 32;

    private readonly BenchSource _source;

    private readonly Option<int?> _threads = OptionFactory.Value(
        "--threads", "Worker threads; all processors by default", "N", Parsers.Integer(2, EngineOptions.MaxThreads));

    private readonly Option<int?> _decode = OptionFactory.Value(
        "--decode", $"Tokens to decode in each turn; {DefaultDecode} by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _repetitions = OptionFactory.Value(
        "--repetitions", $"Turns of each measurement; {DefaultRepetitions} by default", "N", Parsers.Integer(1));

    private readonly Option<bool> _json = CommonOptions.Json("Write one object");
    private readonly Option<string?> _results = ResultStore.Option();

    public TeamVerb(Terminal terminal)
        : base("team", "Measures an empty parallel region against a round trip between cores, and decoding beside a busy thread.", terminal)
    {
        _source = new BenchSource(terminal);
        foreach (Option option in (Option[])[.. _source.All, _threads, _decode, _repetitions, _json, _results])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "the dense model of 474 million random weights, all processors"),
        new("--weights q4 --threads 2", "shorter regions"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        int threads = parse.GetValue(_threads) ?? Environment.ProcessorCount;
        int repetitions = parse.GetValue(_repetitions) ?? DefaultRepetitions;
        BenchPlan plan = new([], parse.GetValue(_decode) ?? DefaultDecode, [BenchPlan.DefaultContext], [], repetitions, 1, 0, KvFormat.F32);
        if (threads < 2 || Environment.ProcessorCount < 2)
        {
            throw CliException.Usage("bench team needs two processors; this process may use one");
        }

        MachineFacts machine = MachineFacts.Read();
        _source.Check(parse, plan.ContextLength);
        _source.Tell(parse, "round trips and regions");
        (Spread roundTrip, Spread region, Spread ratio) = MeasureRegions(threads, repetitions, cancellationToken);
        using BenchModel model = await _source.LoadAsync(parse, _source.Formats(parse)[0], plan.ContextLength, cancellationToken);
        _source.Tell(parse, "decoding alone and beside a busy thread");
        (Spread alone, Spread beside, Spread slowdown) = MeasureDecode(model, plan, threads, cancellationToken);
        TeamReport report = new(machine, CommandText.Of(parse), model.Facts, threads, repetitions, roundTrip, region, ratio, alone, beside, slowdown);

        report.Write(Terminal.Out, parse.GetValue(_json));
        if (parse.GetValue(_results) is { } directory)
        {
            Terminal.Note($"added to {ResultStore.Append(directory, machine, TimeProvider.System, "team", report.WriteJson)}");
        }

        return ExitCode.Ok;
    }

    private static (Spread RoundTrip, Spread Region, Spread Ratio) MeasureRegions(int threads, int repetitions, CancellationToken cancellationToken)
    {
        List<double> roundTrips = [], regions = [];
        for (int i = 0; i < repetitions; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            roundTrips.Add(1e9 * MachineProbe.CoreRoundTrip());
            regions.Add(1e9 * MachineProbe.EmptyRegion(threads));
        }

        return (Spread.Of(roundTrips), Spread.Of(regions), Spread.Of(regions.Zip(roundTrips, (a, b) => a / b)));
    }

    private static (Spread Alone, Spread Beside, Spread Slowdown) MeasureDecode(
        BenchModel model, BenchPlan plan, int threads, CancellationToken cancellationToken)
    {
        using BenchEngine engine = new(model, plan, KernelPaths.Default, threads, cancellationToken);
        using Sequence prefix = engine.Start(BenchPlan.DefaultContext);
        BenchEngine.WarmUp(() => engine.Decode(prefix, plan.Decode));
        List<double> alone = [], beside = [];
        for (int i = 0; i < plan.Repetitions; i++)
        {
            alone.Add(plan.Decode / engine.Decode(prefix, plan.Decode));
            using BusyThread busy = new();
            beside.Add(plan.Decode / engine.Decode(prefix, plan.Decode));
        }

        return (Spread.Of(alone), Spread.Of(beside), Spread.Of(alone.Zip(beside, (a, b) => a / b)));
    }

    /// <summary>A thread that never rests, as that of another program.</summary>
    private sealed class BusyThread : IDisposable
    {
        private readonly Thread _thread;
        private bool _stop;

        public BusyThread()
        {
            _thread = new Thread(Spin) { IsBackground = true, Name = "busy" };
            _thread.Start();
        }

        public void Dispose()
        {
            Volatile.Write(ref _stop, true);
            _thread.Join();
        }

        private void Spin()
        {
            while (!Volatile.Read(ref _stop))
            {
            }
        }
    }
}
