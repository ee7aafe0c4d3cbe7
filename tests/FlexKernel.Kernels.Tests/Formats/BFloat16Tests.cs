using Xunit;

namespace FlexKernel.Kernels.Tests.Formats;

public sealed class BFloat16Tests
{
    [Fact]
    public void ToSingle_EveryValue_ComesBack()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = BFloat16.ToSingle((ushort)bits);
            if (float.IsNaN(value))
            {
                Assert.True(float.IsNaN(BFloat16.ToSingle(BFloat16.FromSingle(value))));
            }
            else
            {
                Assert.Equal(bits, BFloat16.FromSingle(value));
            }
        }
    }

    [Fact]
    public void ToSingle_EveryFiniteValue_IsSignificandTimesPower()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            int sign = bits >> 15, exponent = (bits >> 7) & 0xFF, fraction = bits & 0x7F;
            if (exponent < 0xFF)
            {
                double magnitude = exponent == 0 ? Math.ScaleB(fraction, -133) : Math.ScaleB(128 + fraction, exponent - 134);
                Bits.Equal((float)(sign == 1 ? -magnitude : magnitude), BFloat16.ToSingle((ushort)bits), $"0x{bits:x4}");
            }
        }
    }

    [Fact]
    public void FromSingle_AroundEveryTie_RoundsToNearestEven()
    {
        for (uint upper = 0; upper < 0x7F80; upper++)
        {
            foreach (uint lower in (uint[])[0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
            {
                float value = BitConverter.UInt32BitsToSingle((upper << 16) | lower);
                foreach (float signed in (float[])[value, -value])
                {
                    float rounded = BFloat16.ToSingle(BFloat16.FromSingle(signed));
                    Bits.Equal(Reference.RoundToBFloat16(signed), rounded, $"0x{BitConverter.SingleToUInt32Bits(signed):x8}");
                }
            }
        }
    }

    [Theory]
    [InlineData(0x7F800001u)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(0xFF80FFFFu)]
    [InlineData(0xFFFFFFFFu)]
    public void FromSingle_NaN_StaysNaN(uint bits) =>
        Assert.True(float.IsNaN(BFloat16.ToSingle(BFloat16.FromSingle(BitConverter.UInt32BitsToSingle(bits)))));

    [Theory]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void FromSingle_Infinity_StaysInfinity(float value) => Assert.Equal(value, BFloat16.ToSingle(BFloat16.FromSingle(value)));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1003)]
    public void Spans_AnyLength_EqualSingleValues(int length)
    {
        Random random = new(length);
        int[] bits = [.. Enumerable.Range(0, length).Select(_ => random.Next(int.MinValue, int.MaxValue))];
        float[] values = [.. bits.Select(BitConverter.Int32BitsToSingle)];
        if (length > 4)
        {
            (values[0], values[1], values[2]) = (float.NaN, float.NegativeInfinity, float.MaxValue);
        }

        ushort[] narrow = new ushort[length];
        float[] wide = new float[length];
        BFloat16.FromSingles(values, narrow);
        BFloat16.ToSingles(narrow, wide);

        Assert.Equal(values.Select(BFloat16.FromSingle), narrow);
        Assert.Equal(narrow.Select(BFloat16.ToSingle), wide);
        Assert.Throws<ArgumentException>(() => BFloat16.FromSingles(values, new ushort[length + 1]));
        Assert.Throws<ArgumentException>(() => BFloat16.ToSingles(new ushort[length + 1], wide));
    }
}
