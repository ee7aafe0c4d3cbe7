using System.Diagnostics;

namespace FlexKernel.Kernels;

/// <summary>Times what a probe does.</summary>
internal static class ProbeClock
{
    /// <summary>Seconds of the fastest of some repetitions, the first of which warms up.</summary>
    public static double Best(int repetitions, Action action) => Sorted(repetitions, action, TimeSpan.Zero)[0];

    /// <summary>Seconds of the middle one of some repetitions.</summary>
    /// <param name="repetitions">How many.</param>
    /// <param name="action">What to time.</param>
    /// <param name="warmUp">How long to run it before: a long loop is compiled anew while it runs, a short call only after a while.</param>
    public static double Median(int repetitions, Action action, TimeSpan warmUp) => Sorted(repetitions, action, warmUp)[repetitions / 2];

    private static double[] Sorted(int repetitions, Action action, TimeSpan warmUp)
    {
        long begin = Stopwatch.GetTimestamp();
        do
        {
            action();
        }
        while (Stopwatch.GetElapsedTime(begin) < warmUp);

        double[] seconds = new double[repetitions];
        for (int i = 0; i < repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Array.Sort(seconds);
        return seconds;
    }
}
