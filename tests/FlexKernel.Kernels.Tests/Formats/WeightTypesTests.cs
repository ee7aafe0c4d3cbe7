using System.Runtime.InteropServices;
using Xunit;

namespace FlexKernel.Kernels.Tests.Formats;

public sealed class WeightTypesTests
{
    [Fact]
    public void Widen_EveryHalf_IsSignificandTimesPower()
    {
        float[] values = Widen([.. Enumerable.Range(0, 65536).Select(i => (ushort)i)], StoredType.F16);
        for (int bits = 0; bits < 65536; bits++)
        {
            int exponent = (bits >> 10) & 0x1F, fraction = bits & 0x3FF;
            if (exponent == 0x1F && fraction != 0)
            {
                Assert.True(float.IsNaN(values[bits]));
                continue;
            }

            double magnitude = exponent == 0x1F ? double.PositiveInfinity
                : exponent == 0 ? Math.ScaleB(fraction, -24)
                : Math.ScaleB(1024 + fraction, exponent - 25);
            Bits.Equal((float)(bits >= 0x8000 ? -magnitude : magnitude), values[bits], $"half 0x{bits:x4}");
        }
    }

    [Fact]
    public void Widen_EveryBFloat16_IsTheUpperHalf()
    {
        float[] values = Widen([.. Enumerable.Range(0, 65536).Select(i => (ushort)i)], StoredType.BF16);
        for (uint bits = 0; bits < 65536; bits++)
        {
            Assert.Equal(bits << 16, BitConverter.SingleToUInt32Bits(values[bits]));
        }
    }

    [Fact]
    public void Widen_Float32_CopiesBits()
    {
        float[] source = [.. new Numbers(1).Floats(37), float.NaN, -0f, float.PositiveInfinity], values = new float[40];
        WeightTypes.Widen(MemoryMarshal.AsBytes<float>(source), StoredType.F32, values);
        Bits.Equal(source, values, "float32");
    }

    [Theory]
    [InlineData(StoredType.F32, 4)]
    [InlineData(StoredType.BF16, 2)]
    [InlineData(StoredType.F16, 2)]
    public void Widen_LengthsDisagree_Throws(StoredType type, int size)
    {
        Assert.Equal(size, type.Size());
        Assert.Throws<ArgumentException>(() => WeightTypes.Widen(new byte[3 * size], type, new float[2]));
        Assert.Throws<ArgumentException>(() => WeightTypes.Widen(new byte[3 * size - 1], type, new float[3]));
    }

    [Theory]
    [InlineData(WeightFormat.F32, 64, 32)]
    [InlineData(WeightFormat.F32, 63, 32)]
    [InlineData(WeightFormat.BF16, 64, 16)]
    [InlineData(WeightFormat.Q8, 64, 8.5)]
    [InlineData(WeightFormat.Q8, 1, 8.5)]
    [InlineData(WeightFormat.Q4, 64, 4.5)]
    [InlineData(WeightFormat.Q4C, 64, 4.5)]
    public void PanelBytes_EveryFormat_AreItsBitsPerWeightOfPaddedColumns(WeightFormat format, int columns, double bits)
    {
        int padded = format.IsQuantized() ? 64 : 2 * ((columns + 1) / 2);
        Assert.Equal(bits * padded * PackedMatrix.PanelRows / 8, format.PanelBytes(columns));
    }

    private static float[] Widen(ushort[] source, StoredType type)
    {
        float[] values = new float[source.Length];
        WeightTypes.Widen(MemoryMarshal.AsBytes<ushort>(source), type, values);
        return values;
    }
}
