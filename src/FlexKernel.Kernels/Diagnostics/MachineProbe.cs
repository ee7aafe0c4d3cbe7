using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Measures what this machine can do at most, on the path in use: the ceilings that speeds are reported against.</summary>
public static class MachineProbe
{
    /// <summary>Bytes per second that all threads together read from memory.</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="byteCount">Size of the memory read once per repetition; several times the last cache.</param>
    /// <param name="repetitions">Repetitions; the best counts.</param>
    public static double ReadBandwidth(KernelPath path, int threads, long byteCount = 512L << 20, int repetitions = 5) => path switch
    {
        KernelPath.Bits512 => Probe<Lanes512>.ReadBandwidth(threads, byteCount, repetitions),
        KernelPath.Bits256 => Probe<Lanes256>.ReadBandwidth(threads, byteCount, repetitions),
        KernelPath.Bits128 => Probe<Lanes128>.ReadBandwidth(threads, byteCount, repetitions),
        _ => Probe<LanesScalar>.ReadBandwidth(threads, byteCount, repetitions),
    };

    /// <summary>Floating-point operations per second that all threads together reach with fused multiply-adds (two operations each).</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="repetitions">Repetitions; the best counts.</param>
    public static double FusedMultiplyAddPeak(KernelPath path, int threads, int repetitions = 5) => path switch
    {
        KernelPath.Bits512 => Probe<Lanes512>.FusedMultiplyAddPeak(threads, repetitions),
        KernelPath.Bits256 => Probe<Lanes256>.FusedMultiplyAddPeak(threads, repetitions),
        KernelPath.Bits128 => Probe<Lanes128>.FusedMultiplyAddPeak(threads, repetitions),
        _ => Probe<LanesScalar>.FusedMultiplyAddPeak(threads, repetitions),
    };
}

/// <summary>The probes at one vector width.</summary>
internal static unsafe class Probe<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int Accumulators = 12;
    private const int Steps = 4_000_000;

    public static double ReadBandwidth(int threads, long byteCount, int repetitions)
    {
        using WorkerTeam team = new(threads);
        using NativeMemoryOwner memory = new(byteCount);

        // Pages that were never written are all the same one, which stays in the cache.
        for (long page = 0; page < byteCount; page += Environment.SystemPageSize)
        {
            memory.Pointer[page] = 1;
        }
        float[] sink = new float[threads];
        double seconds = Best(repetitions, () => team.Run((worker, workers) =>
        {
            long floats = byteCount / sizeof(float) / workers / 64 * 64;
            sink[worker] = Sum((float*)memory.Pointer + worker * floats, floats);
        }));
        return byteCount / seconds;
    }

    public static double FusedMultiplyAddPeak(int threads, int repetitions)
    {
        using WorkerTeam team = new(threads);
        float[] sink = new float[threads];
        double seconds = Best(repetitions, () => team.Run((worker, workers) => sink[worker] = MultiplyAdd(Steps)));
        return 2.0 * threads * Steps * Accumulators * TLanes.Count / seconds;
    }

    // The first run warms up.
    private static double Best(int repetitions, Action action)
    {
        action();
        double best = double.PositiveInfinity;
        for (int i = 0; i < repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    // Four sums, so that the loop never waits for itself.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float Sum(float* x, long count)
    {
        TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
        for (long i = 0; i + 4 * TLanes.Count <= count; i += 4 * TLanes.Count)
        {
            a += TLanes.Load(x + i);
            b += TLanes.Load(x + i + TLanes.Count);
            c += TLanes.Load(x + i + 2 * TLanes.Count);
            d += TLanes.Load(x + i + 3 * TLanes.Count);
        }

        return First(a + b + (c + d));
    }

    // Twelve chains: more than latency times issue width of any core.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float MultiplyAdd(int steps)
    {
        TLanes x = TLanes.Broadcast(0.5f), y = TLanes.Broadcast(0.25f);
        TLanes a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int step = 0; step < steps; step++)
        {
            a = TLanes.FusedMultiplyAdd(x, y, a);
            b = TLanes.FusedMultiplyAdd(x, y, b);
            c = TLanes.FusedMultiplyAdd(x, y, c);
            d = TLanes.FusedMultiplyAdd(x, y, d);
            e = TLanes.FusedMultiplyAdd(x, y, e);
            f = TLanes.FusedMultiplyAdd(x, y, f);
            g = TLanes.FusedMultiplyAdd(x, y, g);
            h = TLanes.FusedMultiplyAdd(x, y, h);
            i = TLanes.FusedMultiplyAdd(x, y, i);
            j = TLanes.FusedMultiplyAdd(x, y, j);
            k = TLanes.FusedMultiplyAdd(x, y, k);
            l = TLanes.FusedMultiplyAdd(x, y, l);
        }

        return First(a + b + c + d + (e + f + g + h) + (i + j + k + l));
    }

    private static float First(TLanes value)
    {
        float* lanes = stackalloc float[16];
        TLanes.Store(value, lanes);
        return lanes[0];
    }
}
