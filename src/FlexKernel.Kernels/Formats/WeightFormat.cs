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
    /// <summary>Bytes of one stored value.</summary>
    public static int Size(this StoredType type) => type == StoredType.F32 ? 4 : 2;

    /// <summary>Bytes of one kept weight.</summary>
    public static int Size(this WeightFormat format) => format == WeightFormat.F32 ? 4 : 2;

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
