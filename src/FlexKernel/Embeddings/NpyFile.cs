using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using FlexKernel.Checkpoints;

namespace FlexKernel.Embeddings;

/// <summary>Writes arrays as NumPy does: <c>.npy</c> version 1.0, little-endian float32, row-major.</summary>
public static class NpyFile
{
    private const int Alignment = 64;
    private const int BytesBeforeHeader = 10;

    /// <summary>Writes vectors as one array; the file appears whole, or not at all.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="vectors">The values, vector after vector.</param>
    /// <param name="shape">The shape of the array, outermost dimension first; as many values as the vectors have.</param>
    /// <exception cref="ArgumentException">The vectors have more or fewer values than the shape.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<float[]> vectors, params ReadOnlySpan<int> shape)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        long values = 1;
        foreach (int size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            values = checked(values * size);
        }

        long found = vectors.Sum(vector => (long)vector.Length);
        if (found != values)
        {
            throw new ArgumentException($"The vectors have {found} values, the shape ({Tuple(shape)}) {values}.", nameof(shape));
        }

        byte[] header = Header(shape);
        DurableFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (float[] vector in vectors)
            {
                Write(stream, vector);
            }
        });
    }

    // The array begins at a multiple of 64 bytes, so that it can be mapped.
    private static byte[] Header(ReadOnlySpan<int> shape)
    {
        string description = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Tuple(shape)}), }}";
        int length = (BytesBeforeHeader + description.Length + 1 + Alignment - 1) / Alignment * Alignment;
        byte[] header = new byte[length];
        ReadOnlySpan<byte> magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];
        magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(magic.Length), checked((ushort)(length - BytesBeforeHeader)));
        header.AsSpan(BytesBeforeHeader).Fill((byte)' ');
        Encoding.ASCII.GetBytes(description, header.AsSpan(BytesBeforeHeader));
        header[^1] = (byte)'\n';
        return header;
    }

    // As Python writes it: a comma behind a single size.
    private static string Tuple(ReadOnlySpan<int> shape)
    {
        string[] sizes = [.. shape.ToArray().Select(size => size.ToString(CultureInfo.InvariantCulture))];
        return sizes.Length == 1 ? $"{sizes[0]}," : string.Join(", ", sizes);
    }

    private static void Write(Stream stream, float[] vector)
    {
        byte[] bytes = new byte[sizeof(float) * vector.Length];
        for (int i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(sizeof(float) * i), vector[i]);
        }

        stream.Write(bytes);
    }
}
