namespace FlexKernel.Kernels.Tests;

/// <summary>Quantisation of one block of one output as it is defined, in plain scalar code that shares nothing with the product.</summary>
internal static class QuantizationDefinition
{
    private static readonly int[] Uneven = [0, 6, 10, 14, 18, 22, 25, 28, 31, 35, 39, 43, 47, 52, 58, 63];

    /// <summary>Quantises 32 weights.</summary>
    /// <returns>The scale, bfloat16, and 32 codes.</returns>
    public static (ushort Scale, int[] Codes) Quantize(WeightFormat format, ReadOnlySpan<float> weights)
    {
        float most = 0, least = 0;
        foreach (float weight in weights)
        {
            most = MathF.Max(most, weight);
            least = MathF.Min(least, weight);
        }

        float largest = most < -least ? least : most;
        if (!(MathF.Abs(largest) >= MathF.Pow(2, -118)) || !float.IsFinite(largest))
        {
            ushort kept = float.IsFinite(largest) ? (ushort)0 : BFloat16.FromSingle(largest);
            return (kept, [.. Enumerable.Repeat(Code(format, 0), weights.Length)]);
        }

        if (format == WeightFormat.Q8)
        {
            ushort scale = BFloat16.FromSingle(MathF.Abs(largest) / 127);
            return (scale, Encode(format, weights, scale, out _));
        }

        (ushort Scale, int[] Codes) best = default;
        double smallest = double.PositiveInfinity;
        for (int i = 0; i < 9; i++)
        {
            ushort scale = BFloat16.FromSingle(largest / (format == WeightFormat.Q4 ? -8 : 34) * (0.82f + 0.045f * i));
            int[] codes = Encode(format, weights, scale, out double error);
            if (error < smallest)
            {
                (best, smallest) = ((scale, codes), error);
            }
        }

        return best;
    }

    private static int[] Encode(WeightFormat format, ReadOnlySpan<float> weights, ushort stored, out double error)
    {
        float scale = BFloat16.ToSingle(stored), inverse = 1 / scale;
        int[] codes = new int[weights.Length];
        error = 0;
        for (int k = 0; k < codes.Length; k++)
        {
            codes[k] = Code(format, weights[k] * inverse);
            float value = scale * (format switch
            {
                WeightFormat.Q8 => codes[k] - 128,
                WeightFormat.Q4 => codes[k] - 8,
                _ => Uneven[codes[k]] - 29,
            });
            double difference = weights[k] - (double)value;
            error += difference * difference;
        }

        return codes;
    }

    private static int Code(WeightFormat format, float level)
    {
        if (format != WeightFormat.Q4C)
        {
            int limit = format == WeightFormat.Q8 ? 127 : 8;
            return (int)Math.Clamp(MathF.Round(level, MidpointRounding.ToEven), -limit, Math.Min(limit, format == WeightFormat.Q8 ? 127 : 7))
                + (format == WeightFormat.Q8 ? 128 : 8);
        }

        float shifted = level + 29;
        int code = 0;
        while (code < 15 && shifted * 2 > Uneven[code] + Uneven[code + 1])
        {
            code++;
        }

        return code;
    }
}
