using FlexKernel.Kernels;
using FlexKernel.Model;

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
/// <param name="Repetitions">Repetitions of each measurement.</param>
/// <param name="Batch">The most tokens of one pass.</param>
/// <param name="ProbeBytes">Bytes the bandwidth probe reads.</param>
internal sealed record BenchPlan(IReadOnlyList<int> Prefill, int Decode, int Repetitions, int Batch, long ProbeBytes);

/// <summary>Repetitions of one measurement.</summary>
internal sealed record Spread(double Median, double Min, double Max)
{
    /// <summary>Summarises values; of an even number the lower middle one counts.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new Spread(sorted[(sorted.Length - 1) / 2], sorted[0], sorted[^1]);
    }
}

/// <summary>A ceiling of the machine, probed right before and right after a measurement.</summary>
internal sealed record Ceiling(double Before, double After)
{
    /// <summary>What shares are given of: the higher one, so that a share never flatters.</summary>
    public double Best => Math.Max(Before, After);
}

/// <summary>Reading a prompt.</summary>
/// <param name="Tokens">Its length.</param>
/// <param name="Rate">Tokens per second.</param>
/// <param name="Operations">Floating-point operations of the whole prompt.</param>
/// <param name="Peak">Floating-point operations per second at most.</param>
internal sealed record PrefillResult(int Tokens, Spread Rate, double Operations, Ceiling Peak)
{
    public double OperationsPerSecond => Operations / Tokens * Rate.Median;

    public double Share => OperationsPerSecond / Peak.Best;
}

/// <summary>Writing token after token.</summary>
/// <param name="Tokens">How many.</param>
/// <param name="Rate">Tokens per second.</param>
/// <param name="Bytes">Weight bytes each reads.</param>
/// <param name="Bandwidth">Bytes read per second at most.</param>
internal sealed record DecodeResult(int Tokens, Spread Rate, CountRange Bytes, Ceiling Bandwidth)
{
    public double BytesPerSecond => Bytes.Min * Rate.Median;

    public double Share => BytesPerSecond / Bandwidth.Best;

    /// <summary>The least time per token that the memory allows.</summary>
    public double FloorMilliseconds => 1000 * Bytes.Min / Bandwidth.Best;

    public double Milliseconds => 1000 / Rate.Median;
}

/// <summary>Everything measured at one vector width with some threads.</summary>
internal sealed record BenchBlock(KernelPath Path, int Threads, IReadOnlyList<PrefillResult> Prefill, DecodeResult? Decode);

/// <summary>The whole run.</summary>
internal sealed record BenchReport(
    BenchModel Model, BenchPlan Plan, MachineFacts Machine, IReadOnlyList<BenchBlock> Blocks, IReadOnlyList<string> Warnings);
