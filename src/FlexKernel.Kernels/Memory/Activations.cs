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
    private readonly NativeMemoryPool? _pool;
    private NativeMemoryOwner? _memory;

    /// <summary>Allocates zeroed rows.</summary>
    /// <param name="rows">The largest number of rows.</param>
    /// <param name="columns">Values per row.</param>
    public Activations(int rows, int columns)
        : this(rows, columns, null)
    {
    }

    /// <summary>Takes rows of arbitrary content and zero padding from a pool, to which they go back.</summary>
    internal Activations(int rows, int columns, NativeMemoryPool? pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        Rows = rows;
        Columns = columns;
        Stride = StrideOf(columns);
        ByteCount = (long)rows * Stride * sizeof(float);
        _pool = pool;
        _memory = pool?.Take(ByteCount) ?? new NativeMemoryOwner(ByteCount);
        for (int row = 0; row < rows && pool is not null && Stride > columns; row++)
        {
            ClearPadding(row);
        }
    }

    /// <summary>The largest number of rows.</summary>
    public int Rows { get; }

    /// <summary>Values per row.</summary>
    public int Columns { get; }

    /// <summary>Floats from one row to the next: <see cref="Columns"/> rounded up to a multiple of 32, and 32 more for whole pages.</summary>
    public int Stride { get; }

    /// <summary>Bytes held.</summary>
    public long ByteCount { get; }

    internal float* Pointer => (float*)(_memory ?? throw new ObjectDisposedException(nameof(Activations))).Pointer;

    /// <summary>One row, without its padding.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="row"/> is not a row.</exception>
    public Span<float> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        return new(Pointer + (long)row * Stride, Columns);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_memory is not null)
        {
            Release(_memory);
            _memory = null;
        }
    }

    // Rows a multiple of 4 KiB apart would share one set of the first-level cache.
    internal static int StrideOf(int columns)
    {
        int padded = PackedMatrix.RoundUp(columns, PackedMatrix.PanelRows);
        return padded % PageFloats == 0 ? checked(padded + PackedMatrix.PanelRows) : padded;
    }

    private void Release(NativeMemoryOwner memory)
    {
        if (_pool is null)
        {
            memory.Dispose();
        }
        else
        {
            _pool.Return(memory);
        }
    }

    internal void ClearPadding(int row) => new Span<float>(RowPointer(row) + Columns, Stride - Columns).Clear();

    internal float* RowPointer(int row) => Pointer + (long)row * Stride;
}
