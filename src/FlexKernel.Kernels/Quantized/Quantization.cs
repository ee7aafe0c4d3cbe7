using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>Turns blocks of 32 weights into levels and a scale, eight outputs side by side, and back.</summary>
/// <remarks>
/// Scales are bfloat16, chosen before the levels, so that the levels make up for the rounding of the scale. 8 bit: the largest weight is
/// level ±127. 4 bit: of several scales around that of the largest weight the one with the least squared error is taken. Outputs are lanes
/// that never talk to each other, and each error is summed in float64 in the order of k: the codes are the same on every machine.
/// </remarks>
internal static unsafe class Quantization
{
    /// <summary>Weights that share a scale.</summary>
    public const int BlockColumns = 32;

    /// <summary>Weights whose scales share a row of words.</summary>
    public const int UnitColumns = 2 * BlockColumns;

    /// <summary>Outputs that are quantised side by side.</summary>
    public const int Lanes = 8;

    /// <summary>The level of <see cref="Levels"/> that stands for zero.</summary>
    public const int LevelOffset = 29;

    // Around the scale that maps the largest weight to the outermost level.
    private const int Candidates = 9;
    private const float FirstCandidate = 0.82f;
    private const float CandidateStep = 0.045f;

    // 2^-118: below it scales would be subnormal and their reciprocals infinite. Such blocks are zero.
    private const float Smallest = 3.0092655e-36f;

    /// <summary>
    /// Of the levels of 6 bits whose thresholds <see cref="Uneven4"/> tells apart those that leave the least squared error of blocks of 32 normal
    /// variates, quantised as below. Four products with bytes stay within 16 bits.
    /// </summary>
    public static ReadOnlySpan<byte> Levels => [0, 6, 10, 14, 18, 22, 25, 28, 31, 35, 39, 43, 47, 52, 58, 63];

    /// <summary>Quantises a block of eight outputs.</summary>
    /// <param name="format">A quantised format.</param>
    /// <param name="weights">Weights [32, 8].</param>
    /// <param name="codes">Receives what is stored for each [32, 8].</param>
    /// <returns>The scale of each output, bfloat16 in the low half.</returns>
    public static Vector256<uint> Quantize(WeightFormat format, float* weights, int* codes) => format switch
    {
        WeightFormat.Q8 => Quantize<Even8>(weights, codes),
        WeightFormat.Q4 => Quantize<Even4>(weights, codes),
        _ => Quantize<Uneven4>(weights, codes),
    };

    /// <summary>The weight that a code stands for.</summary>
    public static float Value(WeightFormat format, byte code, float scale) => scale * format switch
    {
        WeightFormat.Q8 => code - Bytes8.Offset,
        WeightFormat.Q4 => code - Nibbles4.Offset,
        _ => Levels[code] - LevelOffset,
    };

    private static Vector256<uint> Quantize<TLevels>(float* weights, int* codes)
        where TLevels : struct, ILevels
    {
        Vector256<float> largest = Largest(weights), magnitude = Vector256.Abs(largest);
        Vector256<float> usable = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(Smallest))
            & Vector256.LessThanOrEqual(magnitude, Vector256.Create(float.MaxValue));
        Vector256<uint> best = TLevels.Outermost == 127
            ? BFloat16.Round(magnitude / 127f)
            : Search<TLevels>(weights, largest);
        Encode<TLevels>(weights, Widen(best), usable, codes);

        // What is not finite stays so in the scale, for whoever allowed it.
        Vector256<uint> special = Vector256.AndNot(BFloat16.Round(largest), Vector256.LessThan(magnitude, Vector256.Create(Smallest)).AsUInt32());
        return Vector256.ConditionalSelect(usable.AsUInt32(), best, special);
    }

    // Of the weights that are farthest from zero the positive one; NaN if there is any.
    private static Vector256<float> Largest(float* weights)
    {
        Vector256<float> most = Vector256.Load(weights), least = most;
        for (int k = 1; k < BlockColumns; k++)
        {
            Vector256<float> value = Vector256.Load(weights + k * Lanes);
            most = Vector256.Max(most, value);
            least = Vector256.Min(least, value);
        }

        return Vector256.ConditionalSelect(Vector256.LessThan(most, -least), least, most);
    }

    private static Vector256<uint> Search<TLevels>(float* weights, Vector256<float> largest)
        where TLevels : struct, ILevels
    {
        Vector256<float> unit = largest / TLevels.Outermost;
        Vector256<uint> best = default;
        Vector256<double> leastLower = Vector256.Create(double.PositiveInfinity), leastUpper = leastLower;
        for (int i = 0; i < Candidates; i++)
        {
            Vector256<uint> scale = BFloat16.Round(unit * (FirstCandidate + CandidateStep * i));
            (Vector256<double> lower, Vector256<double> upper) = SquaredError<TLevels>(weights, Widen(scale));
            Vector256<double> betterLower = Vector256.LessThan(lower, leastLower), betterUpper = Vector256.LessThan(upper, leastUpper);
            leastLower = Vector256.ConditionalSelect(betterLower, lower, leastLower);
            leastUpper = Vector256.ConditionalSelect(betterUpper, upper, leastUpper);
            best = Vector256.ConditionalSelect(Vector256.Narrow(betterLower.AsInt64(), betterUpper.AsInt64()).AsUInt32(), scale, best);
        }

        return best;
    }

    private static (Vector256<double> Lower, Vector256<double> Upper) SquaredError<TLevels>(float* weights, Vector256<float> scale)
        where TLevels : struct, ILevels
    {
        Vector256<float> inverse = Vector256<float>.One / scale;
        Vector256<double> lower = default, upper = default;
        for (int k = 0; k < BlockColumns; k++)
        {
            Vector256<float> weight = Vector256.Load(weights + k * Lanes);
            Vector256<float> kept = scale * TLevels.Level(TLevels.Code(weight * inverse));
            Vector256<double> left = Vector256.WidenLower(weight) - Vector256.WidenLower(kept);
            Vector256<double> right = Vector256.WidenUpper(weight) - Vector256.WidenUpper(kept);
            lower += left * left;
            upper += right * right;
        }

        return (lower, upper);
    }

    private static void Encode<TLevels>(float* weights, Vector256<float> scale, Vector256<float> usable, int* codes)
        where TLevels : struct, ILevels
    {
        Vector256<float> inverse = Vector256<float>.One / scale;
        for (int k = 0; k < BlockColumns; k++)
        {
            TLevels.Code(Vector256.Load(weights + k * Lanes) * inverse & usable).Store(codes + k * Lanes);
        }
    }

    private static Vector256<float> Widen(Vector256<uint> halves) => (halves << 16).AsSingle();

    /// <summary>The levels of a format.</summary>
    private interface ILevels
    {
        /// <summary>The level of the weight that is farthest from zero, sign included, before other scales are tried.</summary>
        static abstract int Outermost { get; }

        /// <summary>The codes of the levels nearest to numbers of moderate size.</summary>
        static abstract Vector256<int> Code(Vector256<float> level);

        /// <summary>The levels of codes.</summary>
        static abstract Vector256<float> Level(Vector256<int> code);
    }

    private readonly struct Even8 : ILevels
    {
        public static int Outermost => 127;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Code(Vector256<float> level) => Nearest(level, -127, 127) + Vector256.Create(Bytes8.Offset);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Level(Vector256<int> code) => Vector256.ConvertToSingle(code - Vector256.Create(Bytes8.Offset));
    }

    private readonly struct Even4 : ILevels
    {
        public static int Outermost => -8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Code(Vector256<float> level) => Nearest(level, -8, 7) + Vector256.Create(Nibbles4.Offset);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Level(Vector256<int> code) => Vector256.ConvertToSingle(code - Vector256.Create(Nibbles4.Offset));
    }

    // Between neighbouring levels lie 15 thresholds, their sums when levels count twice. No eight numbers from 8 b - 6 on hold two of
    // them, so that one look-up and one comparison find the level.
    private readonly struct Uneven4 : ILevels
    {
        private const int Spacing = 8;
        private const int Shift = 6;

        public static int Outermost => 63 - LevelOffset;

        private static Vector256<float> LowerThresholds => Vector256.Create(0f, 6, 16, 24, 32, 40, 47, 53);

        private static Vector256<float> UpperThresholds => Vector256.Create(59f, 66, 74, 82, 90, 99, 110, 121);

        private static Vector256<float> LowerLevels => Vector256.Create(-29f, -23, -19, -15, -11, -7, -4, -1);

        private static Vector256<float> UpperLevels => Vector256.Create(2f, 6, 10, 14, 18, 23, 29, 34);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<int> Code(Vector256<float> level)
        {
            Vector256<float> shifted = level + Vector256.Create((float)LevelOffset), doubled = shifted + shifted;
            Vector256<int> range = Vector256.ConvertToInt32Native(doubled * (1f / Spacing) + Vector256.Create((float)Shift / Spacing));
            range = Vector256.Min(Vector256.Max(range, Vector256<int>.One), Vector256.Create(15));
            Vector256<float> isAbove = Vector256.GreaterThan(doubled, LookUp(LowerThresholds, UpperThresholds, range));
            return range - Vector256<int>.One - isAbove.AsInt32();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Level(Vector256<int> code) => LookUp(LowerLevels, UpperLevels, code);
    }

    // Ties to even.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> level, int least, int most) =>
        Vector256.Min(Vector256.Max(Vector256.ConvertToInt32Native(Vector256.Round(level)), Vector256.Create(least)), Vector256.Create(most));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LookUp(Vector256<float> lower, Vector256<float> upper, Vector256<int> index)
    {
        if (Avx512F.VL.IsSupported)
        {
            return Avx512F.VL.PermuteVar8x32x2(lower, index, upper);
        }

        Vector256<int> place = index & Vector256.Create(7);
        Vector256<float> isUpper = Vector256.GreaterThan(index, Vector256.Create(7)).AsSingle();
        return Vector256.ConditionalSelect(isUpper, Vector256.Shuffle(upper, place), Vector256.Shuffle(lower, place));
    }
}
