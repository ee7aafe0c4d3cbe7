using Xunit;

namespace FlexKernel.Kernels.Tests.Formats;

public sealed class KvFormatScalarTests : KvFormatTests<LanesScalar>;

public sealed class KvFormat128Tests : KvFormatTests<Lanes128>;

public sealed class KvFormat256Tests : KvFormatTests<Lanes256>;

public sealed class KvFormat512Tests : KvFormatTests<Lanes512>;

/// <summary>Elements of the key/value cache: widening is exact, narrowing rounds once.</summary>
public abstract unsafe class KvFormatTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    protected KvFormatTests() => Paths.Require<TLanes>();

    [Fact]
    public void Load_EveryBFloat16_WidensExactly() =>
        AssertWidens<KvBFloat16, ushort>(1 << 16, bits => (ushort)bits, bits => BitConverter.Int32BitsToSingle(bits << 16));

    [Fact]
    public void Load_EveryFloat16_WidensExactly() =>
        AssertWidens<KvFloat16, ushort>(1 << 16, bits => (ushort)bits, bits =>
        {
            int sign = bits >> 15, exponent = (bits >> 10) & 31, fraction = bits & 1023;
            double magnitude = exponent == 31
                ? (fraction == 0 ? double.PositiveInfinity : double.NaN)
                : exponent == 0 ? Math.ScaleB(fraction, -24) : Math.ScaleB(1024 + fraction, exponent - 25);
            return (float)(sign == 1 ? -magnitude : magnitude);
        });

    [Fact]
    public void Load_EveryInt8_WidensExactly() => AssertWidens<KvInt8, sbyte>(256, bits => (sbyte)(bits - 128), bits => bits - 128);

    [Fact]
    public void Narrow_Int8_IsTheNearestLevel()
    {
        Numbers numbers = new(7);
        for (int count = 1; count < 70; count++)
        {
            float[] x = numbers.Floats(count, MathF.ScaleB(1, numbers.Int(-60, 60)));
            sbyte[] levels = new sbyte[count];
            float scale = Narrow(x, levels);
            Assert.Equal(x.Max(MathF.Abs) / 127f, scale);
            for (int i = 0; i < count; i++)
            {
                Assert.InRange(levels[i], x[i] / (double)scale - 0.50003, x[i] / (double)scale + 0.50003);
            }
        }
    }

    [Fact]
    public void Narrow_Int8Ties_GoToEven()
    {
        sbyte[] levels = new sbyte[20];
        Narrow([127, .. Enumerable.Range(0, 19).Select(i => i - 9.5f)], levels);
        Assert.Equal([127, .. Enumerable.Range(0, 19).Select(i => (sbyte)Math.Round(i - 9.5, MidpointRounding.ToEven))], levels);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-40f)]
    [InlineData(9e-37f)]
    public void Narrow_Int8WithoutAReciprocal_BecomesZero(float value)
    {
        sbyte[] levels = [1, 1, 1];
        Assert.Equal(0f, Narrow([value, -value, 0], levels));
        Assert.Equal([0, 0, 0], levels);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Narrow_Int8OfWhatIsNotFinite_DoesNotBecomeFinite(float value) =>
        Assert.False(float.IsFinite(Narrow([1, value, 2], new sbyte[3])));

    private static float Narrow(float[] x, sbyte[] levels)
    {
        fixed (float* p = x)
        {
            fixed (sbyte* q = levels)
            {
                return KvInt8.Narrow<TLanes>(p, x.Length, (byte*)q);
            }
        }
    }

    private static void AssertWidens<TFormat, T>(int count, Func<int, T> element, Func<int, float> expected)
        where TFormat : struct, IKvFormat
        where T : unmanaged
    {
        T[] elements = [.. Enumerable.Range(0, count).Select(element)];
        float[] wide = new float[count];
        fixed (T* p = elements)
        {
            fixed (float* q = wide)
            {
                for (int i = 0; i < count; i += TLanes.Count)
                {
                    TLanes.Store(TFormat.Load<TLanes>((byte*)(p + i)), q + i);
                }
            }
        }

        for (int i = 0; i < count; i++)
        {
            float right = expected(i);
            if (float.IsNaN(right))
            {
                Assert.True(float.IsNaN(wide[i]), $"0x{i:x}");
            }
            else
            {
                Bits.Equal(right, wide[i], $"0x{i:x}");
            }
        }
    }
}
