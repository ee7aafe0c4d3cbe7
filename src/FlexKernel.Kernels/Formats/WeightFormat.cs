using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace FlexKernel.Kernels;

/// <summary>How the weights of a matrix lie in memory.</summary>
public enum WeightFormat
{
    /// <summary>IEEE single precision, 4 bytes a weight.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a float32, 2 bytes a weight.</summary>
    BF16,

    /// <summary>8-bit levels, 32 weights to a scale: 8.5 bits a weight. Activations are quantised too.</summary>
    Q8,

    /// <summary>4-bit levels at equal distances, 32 weights to a scale: 4.5 bits a weight.</summary>
    Q4,

    /// <summary>4-bit levels where weights are likely, 32 weights to a scale: 4.5 bits a weight, and closer than <see cref="Q4"/>.</summary>
    Q4C,
}

/// <summary>The type of weights as a checkpoint stores them.</summary>
public enum StoredType
{
    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a float32.</summary>
    BF16,

    /// <summary>IEEE half precision.</summary>
    F16,
}

/// <summary>Facts about weight types.</summary>
public static class WeightTypes
{
    /// <summary>The number of the layout of panels in memory, which files of packed weights name: changed with any byte of it.</summary>
    public const int LayoutVersion = 2;

    /// <summary>Bytes of one stored value.</summary>
    public static int Size(this StoredType type) => type == StoredType.F32 ? 4 : 2;

    /// <summary>Whether weights are kept as levels and scales.</summary>
    public static bool IsQuantized(this WeightFormat format) => format >= WeightFormat.Q8;

    /// <summary>Bytes that so many columns of a panel of 32 outputs take, padding included.</summary>
    public static long PanelBytes(this WeightFormat format, int columns) => format switch
    {
        WeightFormat.F32 => 4L * PackedMatrix.PanelRows * PackedMatrix.RoundUp(columns, 2),
        WeightFormat.BF16 => 2L * PackedMatrix.PanelRows * PackedMatrix.RoundUp(columns, 2),
        WeightFormat.Q8 => QuantizedProducts.UnitBytes<Bytes8>() * (PackedMatrix.RoundUp(columns, Quantization.UnitColumns) / (long)Quantization.UnitColumns),
        _ => QuantizedProducts.UnitBytes<Nibbles4>() * (PackedMatrix.RoundUp(columns, Quantization.UnitColumns) / (long)Quantization.UnitColumns),
    };

    /// <summary>Widens stored little-endian values exactly.</summary>
    /// <param name="source">The values' bytes.</param>
    /// <param name="type">Their type.</param>
    /// <param name="destination">Receives one float per value.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static void Widen(ReadOnlySpan<byte> source, StoredType type, Span<float> destination)
    {
        if (source.Length != (long)destination.Length * type.Size())
        {
            throw new ArgumentException($"{source.Length} bytes do not hold {destination.Length} values of {type}.", nameof(source));
        }

        if (type == StoredType.F32)
        {
            MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
        }
        else if (type == StoredType.F16)
        {
            TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), destination);
        }
        else
        {
            BFloat16.ToSingles(MemoryMarshal.Cast<byte, ushort>(source), destination);
        }
    }

    /// <summary>Rounds to stored little-endian values: to nearest, ties to even; what exceeds their range becomes infinite.</summary>
    /// <param name="source">The values.</param>
    /// <param name="type">The type to store.</param>
    /// <param name="destination">Receives the bytes of as many values.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static void Narrow(ReadOnlySpan<float> source, StoredType type, Span<byte> destination)
    {
        if (destination.Length != (long)source.Length * type.Size())
        {
            throw new ArgumentException($"{destination.Length} bytes do not hold {source.Length} values of {type}.", nameof(destination));
        }

        if (type == StoredType.F32)
        {
            MemoryMarshal.AsBytes(source).CopyTo(destination);
        }
        else if (type == StoredType.F16)
        {
            TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
        }
        else
        {
            BFloat16.FromSingles(source, MemoryMarshal.Cast<byte, ushort>(destination));
        }
    }
}
