using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>Equality of bits: NaN equals the same NaN, zero differs from minus zero.</summary>
internal static class Bits
{
    public static void Equal(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string where)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
            {
                Assert.Fail($"{where}: value {i} is {actual[i]:R}, expected the bits of {expected[i]:R}.");
            }
        }
    }

    public static void Equal(float expected, float actual, string where) => Equal([expected], [actual], where);

    public static void AllZero(ReadOnlySpan<float> values, string where)
    {
        foreach (float value in values)
        {
            if (BitConverter.SingleToInt32Bits(value) != 0)
            {
                Assert.Fail($"{where}: {value:R} stands where zero must.");
            }
        }
    }
}
