using System.Runtime.InteropServices;

namespace FlexKernel.Kernels;

/// <summary>How fast threads reach each other.</summary>
internal static class ThreadProbe
{
    private const int RoundTrips = 5_000;
    private const int Regions = 5_000;
    private const int End = -1;

    // More than the runtime waits before it compiles short calls anew.
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(400);

    // Far beyond any round trip: reached only when the other thread does not run.
    private const int SpinsBeforeYield = 100_000;

    /// <summary>Seconds of a round trip of one cache line between two cores.</summary>
    public static double CoreRoundTrip(int repetitions)
    {
        if (Environment.ProcessorCount < 2)
        {
            throw new PlatformNotSupportedException("A round trip between cores needs two processors; there is one.");
        }

        Line line = new();
        Thread other = new(() => Answer(line)) { IsBackground = true, Name = "FlexKernel probe" };
        other.Start();
        double seconds = ProbeClock.Median(repetitions, () => Ask(line), WarmUp);
        Volatile.Write(ref line.Ball, End);
        other.Join();
        return seconds / RoundTrips;
    }

    /// <summary>Seconds of an empty parallel region.</summary>
    public static double EmptyRegion(int threads, int repetitions)
    {
        using WorkerTeam team = new(threads);
        ParallelPart nothing = (_, _) => { };
        double seconds = ProbeClock.Median(repetitions, () =>
        {
            for (int i = 0; i < Regions; i++)
            {
                team.Run(nothing);
            }
        }, WarmUp);
        return seconds / Regions;
    }

    // 1: the ball is with the other thread.
    private static void Ask(Line line)
    {
        for (int i = 0; i < RoundTrips; i++)
        {
            Volatile.Write(ref line.Ball, 1);
            for (int spins = 0; Volatile.Read(ref line.Ball) != 0; spins++)
            {
                YieldIfLate(spins);
            }
        }
    }

    private static void Answer(Line line)
    {
        while (true)
        {
            int ball;
            for (int spins = 0; (ball = Volatile.Read(ref line.Ball)) == 0; spins++)
            {
                YieldIfLate(spins);
            }

            if (ball == End)
            {
                return;
            }

            Volatile.Write(ref line.Ball, 0);
        }
    }

    private static void YieldIfLate(int spins)
    {
        if (spins >= SpinsBeforeYield)
        {
            Thread.Yield();
        }
    }

    // Alone on its cache line.
    private sealed class Line
    {
        private Padded _padded;

        public ref int Ball => ref _padded.Ball;
    }

    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Padded
    {
        [FieldOffset(128)]
        public int Ball;
    }
}
