using System.Diagnostics;

namespace FlexKernel.Kernels;

/// <summary>Times what a probe does.</summary>
internal static class ProbeClock
{
    /// <summary>Seconds of the fastest of some repetitions.</summary>
    /// <param name="repetitions">How many.</param>
    /// <param name="action">What to time.</param>
    /// <param name="warmUp">How long to run it before; at least once. A long loop is compiled anew while it runs, a short call only after a while.</param>
    public static double Best(int repetitions, Action action, TimeSpan warmUp = default)
    {
        long begin = Stopwatch.GetTimestamp();
        do
        {
            action();
        }
        while (Stopwatch.GetElapsedTime(begin) < warmUp);

        double best = double.PositiveInfinity;
        for (int i = 0; i < repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
