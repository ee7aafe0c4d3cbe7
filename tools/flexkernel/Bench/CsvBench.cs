using FlexKernel.Kernels;
using static System.FormattableString;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as comma-separated values: one line per measurement, rates in base units.</summary>
internal static class CsvBench
{
    private const string Header =
        "model,bits_per_weight,k,path,threads,test,tokens,repetitions,"
        + "tokens_per_second,min,max,per_second,ceiling_before,ceiling_after,share";

    public static void Write(BenchReport report, TextWriter output)
    {
        output.WriteLine(Header);
        foreach (BenchBlock block in report.Blocks)
        {
            foreach (PrefillResult result in block.Prefill)
            {
                output.Write(Start(report, block, "prefill", result.Tokens, result.Rate));
                output.WriteLine(End(result.OperationsPerSecond, result.Peak, result.Share));
            }

            if (block.Decode is { } decode)
            {
                output.Write(Start(report, block, "decode", decode.Tokens, decode.Rate));
                output.WriteLine(End(decode.BytesPerSecond, decode.Bandwidth, decode.Share));
            }
        }
    }

    private static string Start(BenchReport report, BenchBlock block, string test, int tokens, Spread rate)
    {
        BenchModel model = report.Model;
        string path = KernelPaths.Name(block.Path);
        return Invariant(
            $"{Quote(model.Name)},{model.BitsPerWeight:0.###},{model.ActiveExperts},{path},{block.Threads},{test},{tokens},")
            + Invariant($"{report.Plan.Repetitions},{rate.Median:G6},{rate.Min:G6},{rate.Max:G6},");
    }

    private static string End(double perSecond, Ceiling ceiling, double share) =>
        Invariant($"{perSecond:G6},{ceiling.Before:G6},{ceiling.After:G6},{share:0.####}");

    private static string Quote(string text) =>
        text.AsSpan().ContainsAny(",\"\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
