using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <summary>Conversions between float32 and bfloat16.</summary>
public static class BFloat16
{
    /// <summary>Widens exactly.</summary>
    public static float ToSingle(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Widens exactly.</summary>
    /// <param name="source">The values.</param>
    /// <param name="destination">Receives as many; not the same memory.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ToSingles(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        CheckLength(source.Length, destination.Length);
        ReadOnlySpan<Vector256<ushort>> vectors = MemoryMarshal.Cast<ushort, Vector256<ushort>>(source);
        Span<Vector256<uint>> wide = MemoryMarshal.Cast<float, Vector256<uint>>(destination);
        for (int v = 0; v < vectors.Length; v++)
        {
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(vectors[v]);
            wide[2 * v] = lower << 16;
            wide[2 * v + 1] = upper << 16;
        }

        for (int i = vectors.Length * Vector256<ushort>.Count; i < source.Length; i++)
        {
            destination[i] = ToSingle(source[i]);
        }
    }

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    /// <param name="source">The values.</param>
    /// <param name="destination">Receives as many; not the same memory.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void FromSingles(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        CheckLength(source.Length, destination.Length);
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(source);
        Span<Vector256<ushort>> narrow = MemoryMarshal.Cast<ushort, Vector256<ushort>>(destination);
        for (int v = 0; v < narrow.Length; v++)
        {
            narrow[v] = Vector256.Narrow(Round(vectors[2 * v]), Round(vectors[2 * v + 1]));
        }

        for (int i = narrow.Length * Vector256<ushort>.Count; i < source.Length; i++)
        {
            destination[i] = FromSingle(source[i]);
        }
    }

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    /// <returns>The bfloat16 in the low half of each word.</returns>
    internal static Vector256<uint> Round(Vector256<float> values)
    {
        Vector256<uint> bits = values.AsUInt32(), upper = bits >>> 16;
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256<uint>.One)) >>> 16;
        Vector256<uint> isNumber = Vector256.Equals(values, values).AsUInt32();
        return Vector256.ConditionalSelect(isNumber, rounded, upper | Vector256.Create(0x40u));
    }

    private static void CheckLength(int source, int destination)
    {
        if (source != destination)
        {
            throw new ArgumentException($"{source} values do not fill {destination}.", nameof(destination));
        }
    }
}
