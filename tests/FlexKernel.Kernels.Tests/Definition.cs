namespace FlexKernel.Kernels.Tests;

/// <summary>What products are, to the bit.</summary>
internal static class Definition
{
    /// <summary>
    /// Blocks of 256 k, each from zero by fused multiply-adds in ascending k; the block sums added in order, the first to
    /// <paramref name="start"/> or, without one, to nothing.
    /// </summary>
    /// <remarks>The panels pad k to whole pairs with zeros: one more step, which only turns a sum of minus zero into zero.</remarks>
    public static float Product(ReadOnlySpan<float> w, ReadOnlySpan<float> x, float? start = null)
    {
        float? total = start;
        for (int first = 0; first < x.Length; first += 256)
        {
            float sum = 0;
            int last = Math.Min(first + 256, x.Length);
            for (int k = first; k < last; k++)
            {
                sum = MathF.FusedMultiplyAdd(w[k], x[k], sum);
            }

            if (last % 2 == 1)
            {
                sum = MathF.FusedMultiplyAdd(0, 0, sum);
            }

            total = total is { } so ? so + sum : sum;
        }

        return total!.Value;
    }
}
