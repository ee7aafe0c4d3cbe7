using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>How a run is written.</summary>
internal enum BenchFormat
{
    /// <summary>For people, and to be pasted into a document.</summary>
    Markdown,

    /// <summary>For a spreadsheet.</summary>
    Csv,

    /// <summary>For a program.</summary>
    Json,
}

/// <summary>What is to be measured.</summary>
/// <param name="Prefill">Prompt lengths.</param>
/// <param name="Decode">Tokens decoded one by one; 0: none.</param>
/// <param name="Contexts">Tokens read before decoding begins.</param>
/// <param name="Rows">Tokens of one pass, to be compared with a pass of one.</param>
/// <param name="Repetitions">Repetitions of each measurement.</param>
/// <param name="Batch">The most tokens of one pass.</param>
/// <param name="ProbeBytes">Bytes the bandwidth probe reads.</param>
/// <param name="Cache">How keys and values are kept.</param>
internal sealed record BenchPlan(
    IReadOnlyList<int> Prefill,
    int Decode,
    IReadOnlyList<int> Contexts,
    IReadOnlyList<int> Rows,
    int Repetitions,
    int Batch,
    long ProbeBytes,
    KvFormat Cache)
{
    /// <summary>Tokens read before decoding by default: a small context, so that weights make up the traffic.</summary>
    public const int DefaultContext = 16;

    /// <summary>Decoded tokens that do not count: caches and branch predictors warm up.</summary>
    public const int DecodeDiscarded = 8;

    /// <summary>How options name the format of keys and values.</summary>
    public string CacheName => Cache.ToString().ToLowerInvariant();

    public bool IsEmpty => Prefill.Count == 0 && Decode == 0 && Rows.Count == 0;

    /// <summary>Positions the measurements need.</summary>
    public int ContextLength => new[]
    {
        Prefill.DefaultIfEmpty(1).Max(),
        Decode == 0 ? 1 : Contexts.Max() + DecodeDiscarded + Decode,
        Rows.Count == 0 ? 1 : DefaultContext + Rows.Max(),
    }.Max();
}

/// <summary>Repetitions of one measurement.</summary>
internal sealed record Spread(double Median, double Min, double Max)
{
    /// <summary>Summarises values; of an even number the lower middle one counts.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new Spread(sorted[(sorted.Length - 1) / 2], sorted[0], sorted[^1]);
    }

    /// <summary>Of a quantity that is reciprocal to this one.</summary>
    public Spread Per(double amount) => new(amount / Median, amount / Max, amount / Min);
}

/// <summary>What bounds a measurement.</summary>
internal enum CeilingKind
{
    /// <summary>Float32 multiply-adds, in operations.</summary>
    MultiplyAdd,

    /// <summary>Products of 8-bit integers, in operations.</summary>
    Int8Dot,

    /// <summary>Memory, in bytes.</summary>
    ReadBandwidth,
}

/// <summary>A ceiling of the machine, probed before the first turn of a measurement and after every turn; per second.</summary>
internal sealed record Ceiling(CeilingKind Kind, IReadOnlyList<double> Probes)
{
    /// <summary>The highest that was probed.</summary>
    public double Best => Probes.Max();

    /// <summary>All that was probed.</summary>
    public Spread PerSecond => Spread.Of(Probes);

    /// <summary>The share that each turn reached, of the higher of the probes before and after it, so that a share never flatters.</summary>
    /// <param name="perSecond">What each turn did per second.</param>
    public Spread ShareOf(IReadOnlyList<double> perSecond) => Spread.Of(perSecond.Select((did, turn) => did / Math.Max(Probes[turn], Probes[turn + 1])));

    /// <summary>How people call it.</summary>
    public string Name => Kind switch
    {
        CeilingKind.MultiplyAdd => "multiply-add peak",
        CeilingKind.Int8Dot => "int8 dot peak",
        _ => "read bandwidth",
    };

    /// <summary>What it counts.</summary>
    public string Unit => Kind == CeilingKind.ReadBandwidth ? "GB/s" : Kind == CeilingKind.Int8Dot ? "GOP/s" : "GFLOP/s";
}

/// <summary>What is measured in tokens per second.</summary>
internal enum BenchTest
{
    /// <summary>Reading a prompt.</summary>
    Prefill,

    /// <summary>Writing token after token.</summary>
    Decode,
}

/// <summary>The same test by another engine, in turns with ours.</summary>
/// <param name="Rate">Its tokens per second.</param>
/// <param name="Ratio">Ours divided by its, turn by turn.</param>
internal sealed record RivalRate(Spread Rate, Spread Ratio);

/// <summary>The same test by another model, in turns with ours.</summary>
/// <param name="Ratio">Our time divided by its, turn by turn.</param>
/// <param name="Floor">Our least work divided by its, in what the ceiling counts.</param>
internal sealed record BesideTime(Spread Ratio, double Floor);

/// <summary>One test.</summary>
/// <param name="Test">Its kind.</param>
/// <param name="Tokens">Tokens read or written.</param>
/// <param name="Context">Tokens read before.</param>
/// <param name="Rate">Tokens per second.</param>
/// <param name="Operations">Operations one token takes at least.</param>
/// <param name="Bytes">Bytes that are read for one token at least.</param>
/// <param name="Ceiling">What bounds it.</param>
internal sealed record Measurement(BenchTest Test, int Tokens, int Context, Spread Rate, double Operations, double Bytes, Ceiling Ceiling)
{
    /// <summary>The share of the ceiling that was reached, turn by turn.</summary>
    public Spread Share { get; init; } = new(0, 0, 0);

    /// <summary>The rival at the same test, or null.</summary>
    public RivalRate? Rival { get; init; }

    /// <summary>The model beside it at the same test, or null.</summary>
    public BesideTime? Beside { get; init; }

    /// <summary>As in llama-bench: <c>pp512</c>, <c>tg64</c>, <c>tg64@4096</c>.</summary>
    public string Name => Test == BenchTest.Prefill ? $"pp{Tokens}"
        : Context == BenchPlan.DefaultContext ? $"tg{Tokens}"
        : $"tg{Tokens}@{Context}";

    /// <summary>What one token takes of what the ceiling counts.</summary>
    public double Work => Ceiling.Kind == CeilingKind.ReadBandwidth ? Bytes : Operations;

    /// <summary>Operations or bytes per second.</summary>
    public double PerSecond => Work * Rate.Median;

    /// <summary>The least time per token that the ceiling allows.</summary>
    public double FloorMilliseconds => 1000 * Work / Ceiling.PerSecond.Median;

    public double Milliseconds => 1000 / Rate.Median;
}

/// <summary>A pass of some tokens against a pass of one.</summary>
/// <param name="Rows">Tokens of the pass, each with its logits.</param>
/// <param name="Milliseconds">What the pass takes.</param>
/// <param name="Ratio">Divided by what a pass of one token takes, turn by turn.</param>
internal sealed record RowsMeasurement(int Rows, Spread Milliseconds, Spread Ratio);

/// <summary>Everything measured with one model at one vector width with some threads.</summary>
internal sealed record BenchBlock(
    ModelFacts Model, KernelPath Path, int Threads, IReadOnlyList<Measurement> Tests, IReadOnlyList<RowsMeasurement> Rows);

/// <summary>The whole run.</summary>
/// <param name="Plan">What was asked for.</param>
/// <param name="Machine">Where.</param>
/// <param name="Command">The command line.</param>
/// <param name="Rival">The other engine, or null.</param>
/// <param name="Beside">The name of the other model, or null.</param>
/// <param name="Blocks">What was measured.</param>
/// <param name="Warnings">What a reader has to know.</param>
internal sealed record BenchReport(
    BenchPlan Plan, MachineFacts Machine, string Command, string? Rival, string? Beside, IReadOnlyList<BenchBlock> Blocks, IReadOnlyList<string> Warnings);
