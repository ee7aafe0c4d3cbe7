using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FlexKernel.Checkpoints;

namespace FlexKernel.Embeddings;

/// <summary>Writes and reads arrays as NumPy does: <c>.npy</c> version 1.0, little-endian float32, row-major.</summary>
public static partial class NpyFile
{
    private const int Alignment = 64;
    private const int BytesBeforeHeader = 10;
    private const int MaxBytes = 64 << 20;

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

    /// <summary>Reads an array of at most 64 MiB.</summary>
    /// <param name="path">The file.</param>
    /// <param name="shape">The shape, outermost dimension first.</param>
    /// <returns>The values in row-major order.</returns>
    /// <exception cref="InvalidDataException">It is not version 1.0, not little-endian float32 in C order, or its shape does not fit its bytes.</exception>
    /// <exception cref="CheckpointException">The file cannot be read, or is larger.</exception>
    public static float[] Read(string path, out int[] shape)
    {
        ReadOnlySpan<byte> bytes = RegularFile.ReadAll(path, MaxBytes);
        ReadOnlySpan<byte> magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];
        if (!bytes.StartsWith(magic) || bytes.Length < BytesBeforeHeader)
        {
            throw new InvalidDataException($"{path}: expected a NumPy array of version 1.0, found other bytes.");
        }

        int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[magic.Length..]);
        string header = bytes.Length >= BytesBeforeHeader + length ? Encoding.ASCII.GetString(bytes.Slice(BytesBeforeHeader, length)) : "";
        Match match = HeaderForm().Match(header);
        if (!match.Success)
        {
            throw new InvalidDataException($"{path}: expected an array of '<f4' in C order, found the header {header.Trim()}.");
        }

        ReadOnlySpan<byte> values = bytes[(BytesBeforeHeader + length)..];
        shape = [.. match.Groups[1].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(size => int.Parse(size, NumberStyles.None, CultureInfo.InvariantCulture))];
        long count = 1;
        foreach (int size in shape)
        {
            count = Math.Min(count * size, MaxBytes);
        }

        if (count * sizeof(float) != values.Length)
        {
            throw new InvalidDataException($"{path}: expected {count * sizeof(float)} bytes for shape ({Tuple(shape)}), found {values.Length}.");
        }

        float[] array = new float[count];
        for (int i = 0; i < array.Length; i++)
        {
            array[i] = BinaryPrimitives.ReadSingleLittleEndian(values[(sizeof(float) * i)..]);
        }

        return array;
    }

    // Sizes of up to nine digits: none overflows.
    [GeneratedRegex(@"^\{\s*'descr':\s*'<f4',\s*'fortran_order':\s*False,\s*'shape':\s*\(((?:\d{1,9}\s*,\s*)*(?:\d{1,9})?)\s*\),?\s*\}\s*$", RegexOptions.CultureInvariant)]
    private static partial Regex HeaderForm();

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
