using System.Numerics.Tensors;

namespace FlexKernel.Kernels;

/// <summary>Turns blocks of 32 weights into levels and a scale, and back.</summary>
/// <remarks>
/// Scales are bfloat16, chosen before the levels, so that the levels make up for the rounding of the scale. 8 bit: the largest weight is
/// level ±127. 4 bit: of several scales around that of the largest weight the one with the least squared error is taken.
/// </remarks>
internal static class Quantization
{
    /// <summary>Weights that share a scale.</summary>
    public const int BlockColumns = 32;

    /// <summary>Weights whose scales share a row of words.</summary>
    public const int UnitColumns = 2 * BlockColumns;

    /// <summary>The level of <see cref="Levels"/> that stands for zero.</summary>
    public const int LevelOffset = 60;

    // Around the scale that maps the largest weight to the outermost level.
    private const int Candidates = 9;
    private const float FirstCandidate = 0.82f;
    private const float CandidateStep = 0.045f;

    /// <summary>
    /// The levels that minimise the squared error (Lloyd 1957) of 32 normal variates divided by the largest of them, rounded to 7 bits so that a
    /// product of two of them and two bytes stays within 16 bits.
    /// </summary>
    public static ReadOnlySpan<byte> Levels => [0, 11, 21, 29, 37, 44, 51, 58, 64, 71, 78, 86, 94, 103, 113, 127];

    /// <summary>Quantises one block.</summary>
    /// <param name="format">A quantised format.</param>
    /// <param name="weights">32 weights.</param>
    /// <param name="codes">Receives what is stored for each.</param>
    /// <returns>The scale as bfloat16.</returns>
    public static ushort Quantize(WeightFormat format, ReadOnlySpan<float> weights, Span<byte> codes)
    {
        float largest = weights[TensorPrimitives.IndexOfMaxMagnitude(weights)];
        if (largest == 0 || !float.IsFinite(largest))
        {
            codes.Fill(Code(format, 0));
            return BFloat16.FromSingle(largest == 0 ? 0 : largest);
        }

        if (format == WeightFormat.Q8)
        {
            ushort scale = BFloat16.FromSingle(MathF.Abs(largest) / 127);
            Encode(format, weights, BFloat16.ToSingle(scale), codes);
            return scale;
        }

        Span<byte> candidate = stackalloc byte[BlockColumns];
        float outermost = format == WeightFormat.Q4 ? -8 : 127 - LevelOffset;
        ushort best = 0;
        double least = double.PositiveInfinity;
        for (int i = 0; i < Candidates; i++)
        {
            ushort scale = BFloat16.FromSingle(largest / outermost * (FirstCandidate + CandidateStep * i));
            double error = Encode(format, weights, BFloat16.ToSingle(scale), candidate);
            if (error < least)
            {
                (best, least) = (scale, error);
                candidate.CopyTo(codes);
            }
        }

        return best;
    }

    /// <summary>The weight that a code stands for.</summary>
    public static float Value(WeightFormat format, byte code, float scale) => scale * Level(format, code);

    private static int Level(WeightFormat format, byte code) => format switch
    {
        WeightFormat.Q8 => code - Bytes8.Offset,
        WeightFormat.Q4 => code - Nibbles4.Offset,
        _ => Levels[code] - LevelOffset,
    };

    private static double Encode(WeightFormat format, ReadOnlySpan<float> weights, float scale, Span<byte> codes)
    {
        float inverse = scale == 0 ? 0 : 1 / scale;
        double error = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            codes[i] = Code(format, weights[i] * inverse);
            double difference = weights[i] - (double)Value(format, codes[i], scale);
            error += difference * difference;
        }

        return error;
    }

    private static byte Code(WeightFormat format, float level) => format switch
    {
        WeightFormat.Q8 => (byte)(Math.Clamp(MathF.Round(level), -127, 127) + Bytes8.Offset),
        WeightFormat.Q4 => (byte)(Math.Clamp(MathF.Round(level), -8, 7) + Nibbles4.Offset),
        _ => Nearest(level + LevelOffset),
    };

    private static byte Nearest(float level)
    {
        ReadOnlySpan<byte> levels = Levels;
        int code = 0;
        while (code < 15 && level * 2 > levels[code] + levels[code + 1])
        {
            code++;
        }

        return (byte)code;
    }
}
