namespace FlexKernel.Kernels;

/// <summary>
/// A float32 matrix of activations [rows, columns] in native memory, row after row; rows are padded with zeros to a multiple of 32.
/// </summary>
/// <remarks>
/// The padding lets every product read whole pairs of k and write whole panels. It is zero as long as the row is finite; NaN and infinity may
/// spread into a row's own padding, and whatever begins a row anew clears it.
/// </remarks>
public sealed unsafe class Activations : IDisposable
{
    private const int PageFloats = 1024;
    private readonly NativeMemoryOwner _memory;

    /// <summary>Allocates zeroed rows.</summary>
    /// <param name="rows">The largest number of rows.</param>
    /// <param name="columns">Values per row.</param>
    public Activations(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        Rows = rows;
        Columns = columns;
        Stride = StrideOf(columns);
        _memory = new NativeMemoryOwner((long)rows * Stride * sizeof(float));
    }

    /// <summary>The largest number of rows.</summary>
    public int Rows { get; }

    /// <summary>Values per row.</summary>
    public int Columns { get; }

    /// <summary>Floats from one row to the next: <see cref="Columns"/> rounded up to a multiple of 32, and 32 more for whole pages.</summary>
    public int Stride { get; }

    /// <summary>Bytes held.</summary>
    public long ByteCount => _memory.ByteCount;

    internal float* Pointer => (float*)_memory.Pointer;

    /// <summary>One row, without its padding.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="row"/> is not a row.</exception>
    public Span<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        return new(Pointer + (long)row * Stride, Columns);
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    // Rows a multiple of 4 KiB apart would share one set of the first-level cache.
    internal static int StrideOf(int columns)
    {
        int padded = PackedMatrix.RoundUp(columns, PackedMatrix.PanelRows);
        return padded % PageFloats == 0 ? checked(padded + PackedMatrix.PanelRows) : padded;
    }

    internal void ClearPadding(int row) => new Span<float>(RowPointer(row) + Columns, Stride - Columns).Clear();

    internal float* RowPointer(int row) => Pointer + (long)row * Stride;
}
