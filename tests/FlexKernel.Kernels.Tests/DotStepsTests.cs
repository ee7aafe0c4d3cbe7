using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed unsafe class DotStepsTests
{
    [Fact]
    public void MultiplyAdd_EveryInt8Sequence_SumsFourProducts()
    {
        Check8<Int8Scalar, int>(true);
        Check8<Int8Bytes128, Vector128<int>>(true);
        Check8<Int8Pairs128, Vector128<int>>(Ssse3.IsSupported);
        Check8<Int8Pairs256, Vector256<int>>(Avx2.IsSupported);
        Check8<Int8Vnni256, Vector256<int>>(AvxVnni.IsSupported);
        Check8<Int8Pairs512, Vector512<int>>(Avx512BW.IsSupported);
    }

    [Fact]
    public void MultiplyAdd_EveryInt16Sequence_SumsTwoProducts()
    {
        Check16<Int16Scalar, int>(true);
        Check16<Int16Halves128, Vector128<int>>(true);
        Check16<Int16Pairs128, Vector128<int>>(Sse2.IsSupported);
        Check16<Int16Pairs256, Vector256<int>>(Avx2.IsSupported);
        Check16<Int16Pairs512, Vector512<int>>(Avx512BW.IsSupported);
    }

    private static void Check8<TSteps, TVector>(bool isSupported)
        where TSteps : struct, IDotSteps<TVector>
        where TVector : unmanaged =>
        Check<TSteps, TVector>(isSupported, 4, (w, x) => Enumerable.Range(0, 4).Sum(i => w[i] * (sbyte)x[i]));

    private static void Check16<TSteps, TVector>(bool isSupported)
        where TSteps : struct, IDotSteps<TVector>
        where TVector : unmanaged =>
        Check<TSteps, TVector>(isSupported, 2, (w, x) => Enumerable.Range(0, 2).Sum(i => BitConverter.ToInt16(w, 2 * i) * BitConverter.ToInt16(x, 2 * i)));

    private static void Check<TSteps, TVector>(bool isSupported, int productsPerLane, Func<byte[], byte[], int> dot)
        where TSteps : struct, IDotSteps<TVector>
        where TVector : unmanaged
    {
        if (!isSupported)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{typeof(TSteps).Name}: not on this processor");
            return;
        }

        // Weights of seven bits: pairs of their products fit 16 bits.
        Random random = new(5);
        byte[] weights = new byte[sizeof(TVector)], x = new byte[sizeof(TVector)];
        random.NextBytes(x);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = (byte)random.Next(128);
        }

        TVector sum = default, result;
        fixed (byte* w = weights, v = x)
        {
            *(int*)&sum = 1000;
            result = TSteps.MultiplyAdd(sum, *(TVector*)v, w);
        }

        Assert.Equal(sizeof(TVector) / sizeof(int) * productsPerLane, TSteps.Products);
        ReadOnlySpan<int> lanes = MemoryMarshal.Cast<TVector, int>(new ReadOnlySpan<TVector>(in result));
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            int expected = dot(weights[(4 * lane)..(4 * lane + 4)], x[(4 * lane)..(4 * lane + 4)]) + (lane == 0 ? 1000 : 0);
            Assert.Equal(expected, lanes[lane]);
        }
    }
}
