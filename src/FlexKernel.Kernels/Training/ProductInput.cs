namespace FlexKernel.Kernels;

/// <summary>A matrix that several products read, packed once for all of them.</summary>
/// <param name="matrix">[T, n]; must not change meanwhile.</param>
/// <param name="pool">Where the memory comes from.</param>
internal sealed class ProductInput(Activations matrix, NativeMemoryPool pool) : IDisposable
{
    private NativeMemoryOwner? _rows;

    public Activations Matrix => matrix;

    /// <summary>The rows, for <c>x Wᵀ</c>; null until packed.</summary>
    public PackedRows? Rows { get; private set; }

    /// <summary>The transpose, for <c>dyᵀ x</c>; null until packed.</summary>
    public PackedMatrix? Columns { get; private set; }

    /// <summary>Sets the rows, still to be filled.</summary>
    public unsafe PackedRows TakeRows()
    {
        _rows ??= pool.Take(PackedRows.Size(matrix.Rows, matrix.Columns) * sizeof(float));
        Rows = new PackedRows { Data = (float*)_rows.Pointer, Rows = matrix.Rows, Columns = matrix.Columns };
        return Rows.Value;
    }

    /// <summary>Sets the columns, still to be filled.</summary>
    public PackedMatrix TakeColumns() => Columns = new PackedMatrix(matrix.Columns, matrix.Rows, pool);

    public void Dispose()
    {
        Columns?.Dispose();
        if (_rows is not null)
        {
            pool.Return(_rows);
            _rows = null;
        }
    }
}
