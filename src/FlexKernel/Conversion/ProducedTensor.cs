using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Conversion;

/// <summary>A tensor whose bytes are made row by row, in any order and on any thread.</summary>
internal abstract class ProducedTensor
{
    protected ProducedTensor(TensorSpec spec)
    {
        Spec = spec;
        Columns = spec.Shape.IsEmpty ? 1 : spec.Shape[^1];
        Rows = 1;
        foreach (long dimension in spec.Shape.AsSpan()[..Math.Max(spec.Shape.Length - 1, 0)])
        {
            Rows = checked(Rows * dimension);
        }
    }

    /// <summary>Gets name, type and shape.</summary>
    public TensorSpec Spec { get; }

    /// <summary>Gets the product of all dimensions but the last.</summary>
    public long Rows { get; }

    /// <summary>Gets the last dimension.</summary>
    public long Columns { get; }

    /// <summary>Gets the bytes of one row; the element type fills whole bytes.</summary>
    public long RowBytes => checked(Columns * ElementBytes);

    protected int ElementBytes => Spec.Type.BitSize() / 8;

    /// <summary>The type that values are narrowed to or widened from.</summary>
    /// <exception cref="ArgumentException">It is none of F32, BF16 and F16.</exception>
    protected static StoredType Stored(TensorType type) => type switch
    {
        TensorType.F32 => StoredType.F32,
        TensorType.BF16 => StoredType.BF16,
        TensorType.F16 => StoredType.F16,
        _ => throw new ArgumentException($"Element type {type.FormatName()}, expected F32, BF16 or F16.", nameof(type)),
    };

    /// <summary>Makes some rows.</summary>
    /// <param name="firstRow">The first of them.</param>
    /// <param name="destination">Receives whole rows as the file stores them.</param>
    /// <param name="scratch">Buffers of this thread.</param>
    public abstract void Produce(long firstRow, Span<byte> destination, Scratch scratch);
}

/// <summary>Buffers of one thread that grow and are used again.</summary>
internal sealed class Scratch
{
    private byte[] _bytes = [];
    private float[] _floats = [];

    /// <summary>Bytes of any content.</summary>
    public Span<byte> Bytes(int length) => Grown(ref _bytes, length);

    /// <summary>Floats of any content.</summary>
    public Span<float> Floats(int length) => Grown(ref _floats, length);

    private static Span<T> Grown<T>(ref T[] buffer, int length)
    {
        if (buffer.Length < length)
        {
            buffer = GC.AllocateUninitializedArray<T>(length);
        }

        return buffer.AsSpan(0, length);
    }
}
