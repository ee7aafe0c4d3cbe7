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
            ReadOnlySpan<ushort> values = MemoryMarshal.Cast<byte, ushort>(source);
            for (int i = 0; i < destination.Length; i++)
            {
                destination[i] = BFloat16.ToSingle(values[i]);
            }
        }
    }
}
