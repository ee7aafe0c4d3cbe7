using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>The multiply-add peak at one vector width.</summary>
internal static unsafe class MultiplyAddProbe<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int Accumulators = 12;
    private const int Steps = 4_000_000;

    /// <summary>Operations per second of all threads together.</summary>
    public static double Peak(int threads, int repetitions)
    {
        using WorkerTeam team = new(threads);
        float[] sink = new float[threads];
        double seconds = ProbeClock.Best(repetitions, () => team.Run((worker, _) => sink[worker] = MultiplyAdd(Steps)));
        return 2.0 * threads * Steps * Accumulators * TLanes.Count / seconds;
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

        float* lanes = stackalloc float[16];
        TLanes.Store(a + b + c + d + (e + f + g + h) + (i + j + k + l), lanes);
        return lanes[0];
    }
}
