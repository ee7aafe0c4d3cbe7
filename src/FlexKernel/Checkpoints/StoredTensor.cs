using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace FlexKernel.Checkpoints;

/// <summary>A tensor together with its file; reads small tensors whole.</summary>
/// <param name="File">The open file.</param>
/// <param name="Entry">A tensor of that file.</param>
public readonly record struct StoredTensor(SafetensorsFile File, TensorEntry Entry)
{
    /// <summary>Reads all elements of an F32, BF16 or F16 tensor in row-major order; exact.</summary>
    /// <exception cref="CheckpointException">The tensor has another type, does not fit an array, or cannot be read.</exception>
    public float[] ReadSingles()
    {
        switch (Entry.Type)
        {
            case TensorType.F32:
                return ReadElements<float>(sizeof(float));
            case TensorType.F16:
                Half[] halves = ReadElements<Half>(sizeof(ushort));
                float[] widened = new float[halves.Length];
                TensorPrimitives.ConvertToSingle(halves, widened);
                return widened;
            case TensorType.BF16:
                return Array.ConvertAll(ReadElements<ushort>(sizeof(ushort)), bits => BitConverter.UInt32BitsToSingle((uint)bits << 16));
            default:
                throw Unsupported("F32, BF16 or F16");
        }
    }

    /// <summary>Reads all elements of an F64, F32, BF16 or F16 tensor in row-major order; exact.</summary>
    /// <exception cref="CheckpointException">The tensor has another type, does not fit an array, or cannot be read.</exception>
    public double[] ReadDoubles() => Entry.Type switch
    {
        TensorType.F64 => ReadElements<double>(sizeof(double)),
        TensorType.F32 or TensorType.BF16 or TensorType.F16 => Array.ConvertAll(ReadSingles(), value => (double)value),
        _ => throw Unsupported("F64, F32, BF16 or F16"),
    };

    /// <summary>Reads all elements of an I32 tensor in row-major order.</summary>
    /// <exception cref="CheckpointException">The tensor has another type, does not fit an array, or cannot be read.</exception>
    public int[] ReadInt32s() => Entry.Type == TensorType.I32 ? ReadElements<int>(sizeof(int)) : throw Unsupported("I32");

    /// <summary>Reads all elements of an I64 or I32 tensor in row-major order.</summary>
    /// <exception cref="CheckpointException">The tensor has another type, does not fit an array, or cannot be read.</exception>
    public long[] ReadInt64s() => Entry.Type switch
    {
        TensorType.I64 => ReadElements<long>(sizeof(long)),
        TensorType.I32 => Array.ConvertAll(ReadElements<int>(sizeof(int)), value => (long)value),
        _ => throw Unsupported("I64 or I32"),
    };

    /// <summary>Reads the bytes of a tensor of any type as the file stores them.</summary>
    /// <exception cref="CheckpointException">The tensor does not fit an array, or cannot be read.</exception>
    public byte[] ReadBytes() => ReadElements<byte>(1);

    private T[] ReadElements<T>(int elementBytes)
        where T : unmanaged
    {
        // A span of bytes over the array must fit 32 bits as well, so bytes are the limit, not elements.
        int bytes = CheckedSize.From(Entry.ByteCount, File.Path, Entry.Name).ToArrayLength();
        T[] elements = new T[bytes / elementBytes];
        File.Read(Entry, 0, MemoryMarshal.AsBytes(elements.AsSpan()));
        return elements;
    }

    private CheckpointException Unsupported(string expected) =>
        new(CheckpointError.UnsupportedTensorType, File.Path, $"element type {expected}", Entry.Type.FormatName(), Entry.Name);
}
