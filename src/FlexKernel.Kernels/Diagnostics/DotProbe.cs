using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>The peaks of integer products on a path: the best of the instructions it can issue on this processor.</summary>
internal static class DotProbe
{
    public static double Int8Peak(KernelPath path, int threads, int repetitions)
    {
        double vnni = path >= KernelPath.Bits256 && AvxVnni.IsSupported
            ? DotProbe<Int8Vnni256, Vector256<int>>.Peak(threads, repetitions)
            : 0;
        return Math.Max(vnni, path switch
        {
            KernelPath.Bits512 => DotProbe<Int8Pairs512, Vector512<int>>.Peak(threads, repetitions),
            KernelPath.Bits256 => DotProbe<Int8Pairs256, Vector256<int>>.Peak(threads, repetitions),
            KernelPath.Bits128 when Ssse3.IsSupported => DotProbe<Int8Pairs128, Vector128<int>>.Peak(threads, repetitions),
            KernelPath.Bits128 => DotProbe<Int8Bytes128, Vector128<int>>.Peak(threads, repetitions),
            _ => DotProbe<Int8Scalar, int>.Peak(threads, repetitions),
        });
    }

    public static double Int16Peak(KernelPath path, int threads, int repetitions) => path switch
    {
        KernelPath.Bits512 => DotProbe<Int16Pairs512, Vector512<int>>.Peak(threads, repetitions),
        KernelPath.Bits256 => DotProbe<Int16Pairs256, Vector256<int>>.Peak(threads, repetitions),
        KernelPath.Bits128 when Sse2.IsSupported => DotProbe<Int16Pairs128, Vector128<int>>.Peak(threads, repetitions),
        KernelPath.Bits128 => DotProbe<Int16Halves128, Vector128<int>>.Peak(threads, repetitions),
        _ => DotProbe<Int16Scalar, int>.Peak(threads, repetitions),
    };
}

/// <summary>The peak of one sequence of instructions.</summary>
internal static unsafe class DotProbe<TSteps, TVector>
    where TSteps : struct, IDotSteps<TVector>
    where TVector : unmanaged
{
    private const int Accumulators = 12;
    private const int Steps = 2_000_000;
    private const int Line = 64;
    private const int Lines = 8;

    /// <summary>Operations per second of all threads together.</summary>
    public static double Peak(int threads, int repetitions)
    {
        using WorkerTeam team = new(threads);
        int[] sink = new int[threads];
        double seconds = ProbeClock.Best(repetitions, () => team.Run((worker, _) => sink[worker] = Run(Steps)));
        return 2.0 * threads * Steps * Accumulators * TSteps.Products / seconds;
    }

    // Twelve chains: more than latency times issue width of any core. Each step reads weights from another place, in the first cache, so
    // that no product is the same as the one before.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Run(int steps)
    {
        byte* block = stackalloc byte[(Lines + Accumulators + 1) * Line];
        byte* weights = (byte*)(((nuint)block + Line - 1) & ~(nuint)(Line - 1));
        for (int i = 0; i < (Lines + Accumulators) * Line; i++)
        {
            weights[i] = (byte)(i % 7);
        }

        TVector x = *(TVector*)weights;
        TVector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i0 = x, j = x, k = x, l = x;
        for (int step = 0; step < steps; step++)
        {
            byte* w = weights + step % Lines * Line;
            a = TSteps.MultiplyAdd(a, x, w);
            b = TSteps.MultiplyAdd(b, x, w + 1 * Line);
            c = TSteps.MultiplyAdd(c, x, w + 2 * Line);
            d = TSteps.MultiplyAdd(d, x, w + 3 * Line);
            e = TSteps.MultiplyAdd(e, x, w + 4 * Line);
            f = TSteps.MultiplyAdd(f, x, w + 5 * Line);
            g = TSteps.MultiplyAdd(g, x, w + 6 * Line);
            h = TSteps.MultiplyAdd(h, x, w + 7 * Line);
            i0 = TSteps.MultiplyAdd(i0, x, w + 8 * Line);
            j = TSteps.MultiplyAdd(j, x, w + 9 * Line);
            k = TSteps.MultiplyAdd(k, x, w + 10 * Line);
            l = TSteps.MultiplyAdd(l, x, w + 11 * Line);
        }

        return First(a) ^ First(b) ^ First(c) ^ First(d) ^ First(e) ^ First(f) ^ First(g) ^ First(h) ^ First(i0) ^ First(j) ^ First(k) ^ First(l);
    }

    private static int First(TVector value) => *(int*)&value;
}
