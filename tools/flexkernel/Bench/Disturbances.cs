using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Bench;

/// <summary>Finds signs that a measurement says more about the machine's other work than about the engine.</summary>
internal static class Disturbances
{
    private const double QuietLoad = 0.5;
    private const double Tolerated = 0.10;
    private const long LeavesEveryCache = 400_000_000;

    /// <summary>Lists what a reader has to know.</summary>
    public static IReadOnlyList<string> Find(MachineFacts machine, IReadOnlyList<BenchBlock> blocks)
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

        foreach (ModelFacts model in blocks.Where(b => b.Tests.Any(t => t.Test == BenchTest.Decode)).Select(b => b.Model).Distinct())
        {
            if (model.ByteCount < LeavesEveryCache)
            {
                string bytes = Amounts.Bytes(model.ByteCount);
                warnings.Add($"{model.Weights}: {bytes} of weights may stay in caches: the share of the read bandwidth says little");
            }
        }

        foreach (BenchBlock block in blocks)
        {
            foreach (Measurement test in block.Tests)
            {
                Compare($"{block.Model.Weights}, {Amounts.Of(block.Threads, "thread")}, {test.Name}", test.Rate, test.Ceiling);
            }
        }

        return warnings;

        void Compare(string what, Spread rate, Ceiling ceiling)
        {
            if (rate.Median < rate.Max * (1 - Tolerated))
            {
                warnings.Add($"{what}: the median is {Amounts.Percent(1 - rate.Median / rate.Max)} below the best repetition");
            }

            double change = 1 - ceiling.PerSecond.Min / ceiling.Best;
            if (change > Tolerated)
            {
                warnings.Add($"{what}: the {ceiling.Name} changed by {Amounts.Percent(change)} meanwhile");
            }
        }
    }
}
