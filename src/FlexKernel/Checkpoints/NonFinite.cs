using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FlexKernel.Checkpoints;

/// <summary>Finds NaN and infinity in the bytes of floating-point tensors: values whose exponent bits are all ones.</summary>
internal static class NonFinite
{
    private const uint Exponent32 = 0x7F80_0000;
    private const ushort ExponentBF16 = 0x7F80;
    private const ushort Exponent16 = 0x7C00;
    private const ulong Exponent64 = 0x7FF0_0000_0000_0000;

    /// <summary>Throws when a part of a tensor holds a value that is not finite; types other than F32, F16, BF16 and F64 pass.</summary>
    /// <param name="bytes">Whole elements.</param>
    /// <param name="offset">The offset of <paramref name="bytes"/> in the tensor.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="file">The name errors give.</param>
    /// <exception cref="CheckpointException">A value is not finite; names the first.</exception>
    public static void Reject(ReadOnlySpan<byte> bytes, long offset, TensorEntry tensor, string file)
    {
        int index = IndexIn(bytes, tensor.Type);
        if (index >= 0)
        {
            long element = offset / (tensor.Type.BitSize() / 8) + index;
            string shape = TensorEntry.ShapeText<long>(tensor.Shape.AsSpan());
            throw new CheckpointException(
                CheckpointError.NonFiniteValue,
                file,
                "finite values",
                $"NaN or infinity at element {element} of {tensor.Type.FormatName()} {shape}",
                tensor.Name);
        }
    }

    /// <summary>Finds the first element that is not finite, or returns -1.</summary>
    public static int IndexIn(ReadOnlySpan<byte> bytes, TensorType type) => type switch
    {
        TensorType.F32 => IndexIn(bytes, Exponent32),
        TensorType.BF16 => IndexIn(bytes, ExponentBF16),
        TensorType.F16 => IndexIn(bytes, Exponent16),
        TensorType.F64 => IndexIn(bytes, Exponent64),
        _ => -1,
    };

    private static int IndexIn<T>(ReadOnlySpan<byte> bytes, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<T> values = MemoryMarshal.Cast<byte, T>(bytes);
        ReadOnlySpan<Vector256<T>> vectors = MemoryMarshal.Cast<byte, Vector256<T>>(bytes);
        Vector256<T> mask = Vector256.Create(exponent);
        int v = 0;

        // Four independent vectors hide the latency of the compare.
        for (; v + 4 <= vectors.Length; v += 4)
        {
            ReadOnlySpan<Vector256<T>> four = vectors.Slice(v, 4);
            Vector256<T> found = Vector256.Equals(four[0] & mask, mask) | Vector256.Equals(four[1] & mask, mask)
                | Vector256.Equals(four[2] & mask, mask) | Vector256.Equals(four[3] & mask, mask);
            if (found != Vector256<T>.Zero)
            {
                break;
            }
        }

        for (int i = v * Vector256<T>.Count; i < values.Length; i++)
        {
            if ((values[i] & exponent) == exponent)
            {
                return i;
            }
        }

        return -1;
    }
}
