using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class VectorsScalarTests : VectorsTests<LanesScalar>;

public sealed class Vectors128Tests : VectorsTests<Lanes128>;

public sealed class Vectors256Tests : VectorsTests<Lanes256>;

public sealed class Vectors512Tests : VectorsTests<Lanes512>;

public sealed unsafe class VectorsExhaustiveTests
{
    // Below 2^-25 in magnitude the result is 1 to within half a rounding whatever the polynomial does.
    [Fact]
    public void Exp_EveryFloat32OfTheRange_IsWithinThePromise()
    {
        double worst = Math.Max(Worst(0, 88.7f), Worst(1u << 31, 87.3f));

        TestContext.Current.TestOutputHelper?.WriteLine($"exp: worst relative error {worst:E3}.");
        Assert.InRange(worst, 0, Tolerance.Exp);
    }

    private static double Worst(uint sign, float limit)
    {
        double worst = 0;
        Span<float> x = stackalloc float[8];
        float* y = stackalloc float[8];
        uint last = BitConverter.SingleToUInt32Bits(limit);
        for (uint bits = 0x33000000; bits <= last; bits += 8)
        {
            for (uint i = 0; i < 8; i++)
            {
                x[(int)i] = BitConverter.UInt32BitsToSingle(sign | Math.Min(bits + i, last));
            }

            x.CopyTo(new Span<float>(y, 8));
            Lanes256.Store(Vectors.Exp(Lanes256.Load(y)), y);
            for (int i = 0; i < 8; i++)
            {
                double exact = Math.Exp(x[i]);
                worst = Math.Max(worst, Math.Abs(y[i] - exact) / exact);
            }
        }

        return worst;
    }
}

/// <summary>Element-wise functions and reductions: values against double precision, bits against the scalar path.</summary>
public abstract unsafe class VectorsTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const float Lowest = -87.3f, Highest = 88.7f;

    protected VectorsTests() => Paths.Require<TLanes>();

    // Every remainder of 16 lanes, then real model widths.
    public static TheoryData<int> Lengths => [.. Enumerable.Range(1, 70), 1024, 2048, 4096, 4097, 11008];

    [Fact]
    public void Exp_DenseSweep_IsWithinThePromise()
    {
        float[] x = Sweep(), y = [.. x], scalar = [.. x];
        Exp<TLanes>(y);
        Exp<LanesScalar>(scalar);
        Bits.Equal(scalar, y, typeof(TLanes).Name);

        double worst = 0;
        float at = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double exact = Math.Exp(x[i]), error = Math.Abs(y[i] - exact) / exact;
            if (error > worst)
            {
                (worst, at) = (error, x[i]);
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"exp: {x.Length} arguments, worst relative error {worst:E3} at {at:R}.");
        Assert.InRange(worst, 0, Tolerance.Exp);
    }

    [Theory]
    [InlineData(float.NegativeInfinity, Lowest)]
    [InlineData(float.MinValue, Lowest)]
    [InlineData(-87.4f, Lowest)]
    [InlineData(88.8f, Highest)]
    [InlineData(float.MaxValue, Highest)]
    [InlineData(float.PositiveInfinity, Highest)]
    public void Exp_OutOfRange_IsClamped(float x, float clamped)
    {
        float[] actual = Repeat(x), expected = Repeat(clamped);
        Exp<TLanes>(actual);
        Exp<TLanes>(expected);
        Bits.Equal(expected, actual, $"exp({x})");
        Assert.True(float.IsFinite(actual[0]) && actual[0] > 0);
    }

    [Fact]
    public void Exp_ZeroOfEitherSign_IsOne()
    {
        float[] y = [.. Repeat(0f), .. Repeat(-0f)];
        Exp<TLanes>(y);
        Assert.All(y, v => Assert.Equal(1f, v));
    }

    [Theory]
    [InlineData(0x7FC00000u)]
    [InlineData(0x7FC00001u)]
    [InlineData(0x7F800001u)]
    [InlineData(0xFFC00000u)]
    [InlineData(0xFFFFFFFFu)]
    public void Exp_NaN_StaysNaN(uint bits)
    {
        float[] y = Repeat(BitConverter.UInt32BitsToSingle(bits));
        Exp<TLanes>(y);
        Assert.All(y, v => Assert.True(float.IsNaN(v)));
    }

    // silu(z) = z / (1 + e^-z): exp, one addition, one division.
    [Fact]
    public void Silu_DenseSweep_IsWithinItsBound()
    {
        using Accuracy accuracy = new($"silu {typeof(TLanes).Name}");
        float[] z = Pad([.. Sweep(stride: 4001).Where(v => v > Lowest && MathF.Abs(v) > 1e-30f)]), y = [.. z], scalar = [.. z];
        Silu<TLanes>(y);
        Silu<LanesScalar>(scalar);
        Bits.Equal(scalar, y, typeof(TLanes).Name);
        for (int i = 0; i < z.Length; i++)
        {
            double exact = Reference.Silu(z[i]);
            accuracy.Check(y[i], exact, (Tolerance.Exp + 2 * Tolerance.U) * Math.Abs(exact) * 1.0001, $"silu({z[i]:R})");
        }
    }

    // Where exp is clamped, e^-88.7 |z| stands for almost nothing.
    [Theory]
    [InlineData(-100f)]
    [InlineData(-1000f)]
    [InlineData(-1e20f)]
    public void Silu_FarBelowZero_IsAlmostNothing(float z)
    {
        float[] y = Repeat(z);
        Silu<TLanes>(y);
        Assert.All(y, v => Assert.InRange(v, z * Math.Exp(-Highest) * 1.001, 0));
    }

    [Theory]
    [InlineData(50f)]
    [InlineData(1e20f)]
    public void Silu_FarAboveZero_IsItsArgument(float z)
    {
        float[] y = Repeat(z);
        Silu<TLanes>(y);
        Assert.All(y, v => Assert.Equal(z, v));
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void SumOfSquares_EveryLength_MatchesReferenceAndScalar(int count)
    {
        float[] x = new Numbers((ulong)count).Floats(count);
        fixed (float* p = x)
        {
            float actual = Vectors.SumOfSquares<TLanes>(p, count);

            // Per lane one rounding for every 16 values, then 4 levels of the tree; all terms are positive.
            double exact = Reference.Dot(x, x);
            Assert.InRange(Math.Abs(actual - exact), 0, Tolerance.Gamma((count + 15) / 16 + 4) * exact);
            Bits.Equal(Vectors.SumOfSquares<LanesScalar>(p, count), actual, typeof(TLanes).Name);
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ExpAndSum_EveryLength_MatchesReferenceAndScalar(int count)
    {
        float[] x = new Numbers((ulong)count).Floats(count, 10), y = [.. x], scalar = [.. x];
        float sum, scalarSum;
        fixed (float* p = y, q = scalar)
        {
            sum = Vectors.ExpAndSum<TLanes>(p, count, 3.25f);
            scalarSum = Vectors.ExpAndSum<LanesScalar>(q, count, 3.25f);
        }

        Bits.Equal(scalar, y, typeof(TLanes).Name);
        Bits.Equal(scalarSum, sum, typeof(TLanes).Name);
        double exactSum = 0;
        for (int i = 0; i < count; i++)
        {
            // The shifted argument is rounded once: u |x - 3.25| in the exponent.
            double exact = Math.Exp(x[i] - 3.25), relative = Tolerance.Exp + Math.Exp(Tolerance.U * 13.25) - 1;
            Assert.InRange(Math.Abs(y[i] - exact), 0, relative * exact);
            exactSum += exact;
        }

        Assert.InRange(Math.Abs(sum - exactSum), 0, (Tolerance.Exp + 13.25 * Tolerance.U + Tolerance.Gamma((count + 15) / 16 + 4)) * 1.0001 * exactSum);
    }

    [Fact]
    public void ExpAndSum_ValueInTailOrBody_HasTheSameBits()
    {
        float[] x = Repeat(-1.2345f, 31);
        fixed (float* p = x)
        {
            _ = Vectors.ExpAndSum<TLanes>(p, 31, 0.5f);
        }

        Bits.Equal(Repeat(x[0], 31), x, typeof(TLanes).Name);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Max_EveryLengthAndPlace_IsTheLargest(int count)
    {
        Numbers numbers = new((ulong)count);
        float[] x = numbers.Floats(count);
        for (int at = 0; at < count; at += Math.Max(1, count / 70))
        {
            float old = x[at];
            x[at] = 1.5f;
            fixed (float* p = x)
            {
                Assert.Equal(1.5f, Vectors.Max<TLanes>(p, count));
            }

            x[at] = old;
        }

        fixed (float* p = x)
        {
            Assert.Equal(x.Max(), Vectors.Max<TLanes>(p, count));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void ScaleAndMax_EveryLength_ScalesAndFindsTheLargest(int count)
    {
        float[] x = new Numbers((ulong)count).Floats(count), expected = [.. x.Select(v => v * 0.3f)];
        fixed (float* p = x)
        {
            Assert.Equal(expected.Max(), Vectors.ScaleAndMax<TLanes>(p, count, 0.3f));
        }

        Bits.Equal(expected, x, $"{count} values");
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void MaxMagnitude_EveryLength_IsTheLargestWithoutSign(int count)
    {
        float[] x = new Numbers((ulong)count).Floats(count);
        fixed (float* p = x)
        {
            Assert.Equal(x.Max(MathF.Abs), Vectors.MaxMagnitude<TLanes>(p, count));
            x[count - 1] = float.NaN;
            Assert.True(float.IsNaN(Vectors.MaxMagnitude<TLanes>(p, count)));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Multiply_EveryLength_MultipliesPairs(int count)
    {
        Numbers numbers = new((ulong)count);
        float[] x = numbers.Floats(count), factors = numbers.Floats(count), expected = [.. x.Zip(factors, (a, b) => a * b)];
        fixed (float* p = x, f = factors)
        {
            Vectors.Multiply<TLanes>(p, f, count);
        }

        Bits.Equal(expected, x, $"{count} values");
    }

    // Every 211th float of the range: 10 million arguments.
    private static float[] Sweep(int stride = 211)
    {
        List<float> values = [Lowest, Highest, 0f];
        for (uint bits = 1; bits <= BitConverter.SingleToUInt32Bits(Highest); bits += (uint)stride)
        {
            float value = BitConverter.UInt32BitsToSingle(bits);
            values.Add(value);
            if (-value >= Lowest)
            {
                values.Add(-value);
            }
        }

        return Pad([.. values]);
    }

    private static float[] Pad(float[] values)
    {
        float[] padded = new float[PackedMatrix.RoundUp(values.Length, 16)];
        values.CopyTo(padded, 0);
        return padded;
    }

    private static float[] Repeat(float value, int count = 16)
    {
        float[] values = new float[count];
        values.AsSpan().Fill(value);
        return values;
    }

    private static void Exp<T>(float[] x)
        where T : struct, ILanes<T>
    {
        fixed (float* p = x)
        {
            for (int i = 0; i < x.Length; i += T.Count)
            {
                T.Store(Vectors.Exp(T.Load(p + i)), p + i);
            }
        }
    }

    private static void Silu<T>(float[] x)
        where T : struct, ILanes<T>
    {
        fixed (float* p = x)
        {
            for (int i = 0; i < x.Length; i += T.Count)
            {
                T.Store(Vectors.Silu(T.Load(p + i)), p + i);
            }
        }
    }
}
