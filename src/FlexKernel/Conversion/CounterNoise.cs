using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;

namespace FlexKernel.Conversion;

/// <summary>Random values that depend on a seed, a name and their place alone, so that any part can be made anywhere.</summary>
internal static class CounterNoise
{
    // Of the sum of four uniform bytes.
    private const int Mean = 510;
    private const float Deviation = 147.80054f;

    private const uint FirstFactor = 0x7FEB352D;
    private const uint SecondFactor = 0x846CA68B;

    /// <summary>The key of a tensor.</summary>
    /// <param name="seed">The seed of the model.</param>
    /// <param name="name">The name of the tensor.</param>
    public static ulong Key(ulong seed, string name)
    {
        byte[] text = new byte[sizeof(ulong) + Encoding.UTF8.GetByteCount(name)];
        BinaryPrimitives.WriteUInt64LittleEndian(text, seed);
        Encoding.UTF8.GetBytes(name, text.AsSpan(sizeof(ulong)));
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(text));
    }

    /// <summary>Fills a part of a tensor with bell-shaped values of mean 0: sums of four uniform bytes, which end at 3.45 standard deviations.</summary>
    /// <param name="key">The key of the tensor.</param>
    /// <param name="first">The place of the first value.</param>
    /// <param name="deviation">The standard deviation.</param>
    /// <param name="values">Receives the values.</param>
    public static void Fill(ulong key, long first, float deviation, Span<float> values)
    {
        while (!values.IsEmpty)
        {
            // The counter has 32 bits; what lies above them changes the key.
            int count = (int)Math.Min(values.Length, (1L << 32) - (uint)first);
            FillRun(Mix(key + (ulong)(first >> 32)), (uint)first, deviation / Deviation, values[..count]);
            values = values[count..];
            first += count;
        }
    }

    /// <summary>A number that looks random, another one for each: SplitMix64 (Steele, Lea and Flood 2014).</summary>
    public static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>Fills a tensor with uniform values between −bound and bound, in steps of bound · 2⁻²³.</summary>
    /// <param name="key">The key of the tensor.</param>
    /// <param name="bound">Reached by neither end.</param>
    /// <param name="values">Receives all values of the tensor.</param>
    public static void FillUniform(ulong key, float bound, Span<float> values)
    {
        key = Mix(key);
        for (int i = 0; i < values.Length; i++)
        {
            uint step = Bits((uint)i, (uint)key, (uint)(key >> 32)) >> 8;
            values[i] = ((int)step - (1 << 23) + 0.5f) * (1f / (1 << 23)) * bound;
        }
    }

    private static void FillRun(ulong key, uint first, float unit, Span<float> values)
    {
        uint low = (uint)key, high = (uint)(key >> 32);
        Span<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(values);
        Vector256<uint> place = Vector256.Create(first) + Vector256<uint>.Indices;
        Vector256<uint> pairs = Vector256.Create(0x00FF00FFu), lanes = Vector256.Create(0xFFFFu);
        for (int v = 0; v < vectors.Length; v++)
        {
            Vector256<uint> bits = place ^ Vector256.Create(low);
            bits = (bits ^ (bits >>> 16)) * FirstFactor;
            bits ^= Vector256.Create(high);
            bits = (bits ^ (bits >>> 15)) * SecondFactor;
            bits ^= bits >>> 16;
            Vector256<uint> sums = (bits & pairs) + ((bits >>> 8) & pairs);
            Vector256<int> sum = ((sums & lanes) + (sums >>> 16)).AsInt32() - Vector256.Create(Mean);
            vectors[v] = Vector256.ConvertToSingle(sum) * unit;
            place += Vector256.Create((uint)Vector256<uint>.Count);
        }

        for (int i = vectors.Length * Vector256<float>.Count; i < values.Length; i++)
        {
            values[i] = Value(unchecked(first + (uint)i), low, high) * unit;
        }
    }

    private static float Value(uint place, uint low, uint high)
    {
        uint bits = Bits(place, low, high);
        return (int)((bits & 0xFF) + ((bits >> 8) & 0xFF) + ((bits >> 16) & 0xFF) + (bits >> 24)) - Mean;
    }

    private static uint Bits(uint place, uint low, uint high)
    {
        uint bits = place ^ low;
        bits = (bits ^ (bits >> 16)) * FirstFactor;
        bits ^= high;
        bits = (bits ^ (bits >> 15)) * SecondFactor;
        return bits ^ (bits >> 16);
    }
}
