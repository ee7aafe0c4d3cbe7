using FlexKernel.Kernels;
using static System.FormattableString;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as comma-separated values: one line per measurement, rates in base units; what does not apply is empty.</summary>
internal static class CsvBench
{
    private const string Header =
        "model,weights,bits_per_weight,kv,k,path,threads,test,tokens,context,repetitions,"
        + "tokens_per_second,min,max,per_second,ceiling,ceiling_per_second,ceiling_min,ceiling_max,share,share_min,share_max,"
        + "rival_tokens_per_second,rival_min,rival_max,ratio,ratio_min,ratio_max,beside_time,beside_min,beside_max,beside_floor";

    public static void Write(BenchReport report, TextWriter output)
    {
        output.WriteLine(Header);
        foreach (BenchBlock block in report.Blocks)
        {
            foreach (Measurement test in block.Tests)
            {
                output.Write(Start(report, block, test.Name, test.Tokens, test.Context, test.Rate));
                Ceiling ceiling = test.Ceiling;
                output.Write(Invariant($"{test.PerSecond:G6},{ceiling.Name},{Text(ceiling.PerSecond)},{Text(test.Share)},"));
                output.Write(test.Rival is { } rival ? $"{Text(rival.Rate)},{Text(rival.Ratio)}," : ",,,,,,");
                output.WriteLine(test.Beside is { } beside ? Invariant($"{Text(beside.Ratio)},{beside.Floor:G6}") : ",,,");
            }

            // A pass of several tokens has no ceiling of its own: its rival is the pass of one.
            foreach (RowsMeasurement pass in block.Rows)
            {
                output.Write(Start(report, block, $"rows{pass.Rows}", pass.Rows, BenchPlan.DefaultContext, pass.Milliseconds.Per(1000.0 * pass.Rows)));
                output.WriteLine($",,,,,,,,,,,{Text(pass.Ratio)},,,,");
            }
        }
    }

    private static string Start(BenchReport report, BenchBlock block, string test, int tokens, int context, Spread rate)
    {
        ModelFacts model = block.Model;
        return Invariant(
            $"{Quote(model.Name)},{model.Weights},{model.BitsPerWeight:0.###},{report.Plan.CacheName},{model.ActiveExperts},{KernelPaths.Name(block.Path)},{block.Threads},")
            + Invariant($"{test},{tokens},{context},{report.Plan.Repetitions},{Text(rate)},");
    }

    private static string Text(Spread spread) => Invariant($"{spread.Median:G6},{spread.Min:G6},{spread.Max:G6}");

    private static string Quote(string text) =>
        text.AsSpan().ContainsAny(",\"\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
