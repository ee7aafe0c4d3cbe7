using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FlexKernel.Sampling;

/// <summary>
/// Exponential and logarithm in double precision from IEEE additions, multiplications and divisions alone, so every machine and every
/// vector width gives the same bits; the functions of <see cref="Math"/> come from the platform's C library and may differ in the last bit.
/// </summary>
internal static class PortableMath
{
    private const double Log2E = 1.4426950408889634;

    // ln 2 in two parts; the high part ends in 21 zero bits, so its product with an exponent is exact.
    private const double Ln2High = 6.93147180369123816490e-01;
    private const double Ln2Low = 1.90821492927058770002e-10;

    // Adding 1.5 * 2^52 rounds to an integer and leaves that integer in the low bits.
    private const double Rounder = 6755399441055744.0;

    // Below this the result is subnormal: as the weight of a token next to a maximum of 1 it is nothing.
    private const double Smallest = -708;

    /// <summary>Writes <c>exp(x[i] - shift)</c>; 0 where the difference is below -708.</summary>
    /// <param name="x">The values; none above <paramref name="shift"/> by more than 700.</param>
    /// <param name="shift">Subtracted first, usually the maximum.</param>
    /// <param name="destination">Receives the results; at least as long as <paramref name="x"/>.</param>
    public static void Exp(ReadOnlySpan<float> x, double shift, Span<double> destination)
    {
        Vector256<double> offset = Vector256.Create(shift);
        int i = 0;
        for (; i + 8 <= x.Length; i += 8)
        {
            (Vector256<double> lower, Vector256<double> upper) = Vector256.Widen(Vector256.Create(x.Slice(i, 8)));
            Exp(lower - offset).CopyTo(destination.Slice(i, 4));
            Exp(upper - offset).CopyTo(destination.Slice(i + 4, 4));
        }

        for (; i < x.Length; i++)
        {
            destination[i] = Exp(Vector256.Create(x[i] - shift)).ToScalar();
        }
    }

    /// <summary>
    /// The sum of a vector: four sums of every fourth entry, then those, then what is left, whatever the machine's vectors are.
    /// </summary>
    public static double Sum(ReadOnlySpan<double> x)
    {
        Vector256<double> sums = Vector256<double>.Zero;
        int i = 0;
        for (; i + 4 <= x.Length; i += 4)
        {
            sums += Vector256.Create(x.Slice(i, 4));
        }

        double sum = sums[0] + sums[1] + (sums[2] + sums[3]);
        for (; i < x.Length; i++)
        {
            sum += x[i];
        }

        return sum;
    }

    /// <summary>The natural logarithm of a positive normal number.</summary>
    public static double Log(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)(bits >> 52) - 1023;
        double mantissa = BitConverter.Int64BitsToDouble((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
        if (mantissa > 1.4142135623730951)
        {
            mantissa *= 0.5;
            exponent++;
        }

        // ln m = 2 atanh(s), |s| <= 0.1716: the first term left out is below 1e-18.
        double s = (mantissa - 1) / (mantissa + 1);
        double z = s * s;
        double series = 0;
        for (int k = 23; k >= 3; k -= 2)
        {
            series = (series + 1.0 / k) * z;
        }

        return exponent * Ln2High + (2 * (s + s * series) + exponent * Ln2Low);
    }

    /// <summary>
    /// The logarithm of the sum of exponentials of <paramref name="x"/>, whose largest value is <paramref name="maximum"/>.
    /// </summary>
    public static double LogSumExp(ReadOnlySpan<float> x, float maximum)
    {
        Span<double> block = stackalloc double[256];
        double sum = 0;
        while (!x.IsEmpty)
        {
            int n = Math.Min(x.Length, block.Length);
            Exp(x[..n], maximum, block);
            sum += Sum(block[..n]);
            x = x[n..];
        }

        return maximum + Log(sum);
    }

    /// <summary>Writes the log-softmax.</summary>
    /// <param name="logits">The logits; at least one above negative infinity.</param>
    /// <param name="destination">Receives the results, none above 0; as long as <paramref name="logits"/>, and may be the same
    /// memory.</param>
    public static void LogSoftmax(ReadOnlySpan<float> logits, Span<float> destination)
    {
        double total = LogSumExp(logits, TensorPrimitives.Max(logits));
        Vector256<double> totals = Vector256.Create(total);
        int i = 0;
        for (; i + 8 <= logits.Length; i += 8)
        {
            (Vector256<double> lower, Vector256<double> upper) = Vector256.Widen(Vector256.Create(logits.Slice(i, 8)));
            Vector256.Narrow(lower - totals, upper - totals).CopyTo(destination.Slice(i, 8));
        }

        for (; i < logits.Length; i++)
        {
            destination[i] = (float)(logits[i] - total);
        }
    }

    /// <summary>
    /// The smallest float that is not below <paramref name="x"/>, so that comparing floats with it equals comparing with <paramref
    /// name="x"/>.
    /// </summary>
    public static float CeilingToSingle(double x)
    {
        float rounded = (float)x;
        return rounded < x ? MathF.BitIncrement(rounded) : rounded;
    }

    // x = n ln 2 + r with |r| <= 0.35, a Taylor polynomial of degree 13 for r (remainder below 1e-17), then 2^n through the exponent bits.
    // Grouped by powers of r (Estrin) rather than nested (Horner), whose chain of 26 dependent operations is slower: 121 us against 196 us
    // for 100,352 values. Inlined so that the two calls of a round overlap.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Exp(Vector256<double> x)
    {
        Vector256<double> rounder = Vector256.Create(Rounder);
        Vector256<double> shifted = x * Log2E + rounder;
        Vector256<double> n = shifted - rounder;
        Vector256<double> r = x - n * Ln2High - n * Ln2Low;

        Vector256<double> r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
        Vector256<double> p0 = Vector256<double>.One + r + r2 * (Vector256.Create(0.5) + r * (1.0 / 6));
        Vector256<double> p4 = Vector256.Create(1.0 / 24) + r * (1.0 / 120) + r2 * (Vector256.Create(1.0 / 720) + r * (1.0 / 5040));
        Vector256<double> p8 = Vector256.Create(1.0 / 40320) + r * (1.0 / 362880)
            + r2 * (Vector256.Create(1.0 / 3628800) + r * (1.0 / 39916800));
        Vector256<double> p12 = Vector256.Create(1.0 / 479001600) + r * (1.0 / 6227020800);
        Vector256<double> p = p0 + r4 * p4 + r8 * (p8 + r4 * p12);

        Vector256<long> exponent = shifted.AsInt64() - rounder.AsInt64();
        Vector256<double> scale = ((exponent + Vector256.Create(1023L)) << 52).AsDouble();
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(Smallest)), Vector256<double>.Zero, p * scale);
    }
}
