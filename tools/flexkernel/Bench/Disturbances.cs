using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Bench;

/// <summary>Finds signs that a measurement says more about the machine's other work than about the engine.</summary>
internal static class Disturbances
{
    private const double QuietLoad = 0.5;
    private const double Tolerated = 0.10;
    private const long LeavesEveryCache = 400_000_000;

    /// <summary>Lists what a reader has to know.</summary>
    public static IReadOnlyList<string> Find(BenchModel model, MachineFacts machine, IReadOnlyList<BenchBlock> blocks)
    {
        List<string> warnings = [];
        if (!machine.IsOptimised)
        {
            warnings.Add("the engine was compiled without optimisation; run with -c Release");
        }

        if (machine.LoadAverage > QuietLoad)
        {
            string load = Amounts.Digits(machine.LoadAverage.Value);
            warnings.Add($"load average {load} before the first measurement: other programs were running");
        }

        if (model.Weights.ByteCount < LeavesEveryCache && blocks.Any(b => b.Decode is not null))
        {
            string bytes = Amounts.Bytes(model.Weights.ByteCount);
            warnings.Add($"{bytes} of weights may stay in caches: the share of the read bandwidth says little");
        }

        foreach (BenchBlock block in blocks)
        {
            string where = Amounts.Of(block.Threads, "thread");
            foreach (PrefillResult prefill in block.Prefill)
            {
                Compare($"{where}, prefill {prefill.Tokens}", prefill.Rate, prefill.Peak, "multiply-add peak");
            }

            if (block.Decode is { } decode)
            {
                Compare($"{where}, decode {decode.Tokens}", decode.Rate, decode.Bandwidth, "read bandwidth");
            }
        }

        return warnings;

        void Compare(string what, Spread rate, Ceiling ceiling, string ceilingName)
        {
            if (rate.Median < rate.Max * (1 - Tolerated))
            {
                warnings.Add($"{what}: the median is {Amounts.Percent(1 - rate.Median / rate.Max)} below the best repetition");
            }

            double change = Math.Abs(ceiling.After - ceiling.Before) / ceiling.Best;
            if (change > Tolerated)
            {
                warnings.Add($"{what}: the {ceilingName} changed by {Amounts.Percent(change)} meanwhile");
            }
        }
    }
}
