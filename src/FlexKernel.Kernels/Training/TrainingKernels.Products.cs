namespace FlexKernel.Kernels;

/// <content>Products: <c>Y = X Wᵀ</c>, and with it <c>dX = dY W = dY (Wᵀ)ᵀ</c> and <c>dW = dYᵀ X = dYᵀ (Xᵀ)ᵀ</c>.</content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>y = x Wᵀ</c>, or <c>y = y + x Wᵀ</c>.</summary>
    /// <param name="x">[T, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="y">[T, out].</param>
    /// <param name="add">Whether the product is added.</param>
    public abstract void Multiply(Activations x, PackedMatrix weight, Activations y, bool add);

    /// <summary><c>y = xᵀ Wᵀ</c>, or <c>y = y + xᵀ Wᵀ</c>.</summary>
    /// <param name="x">[k, n].</param>
    /// <param name="weight">[out, k].</param>
    /// <param name="y">[n, out].</param>
    /// <param name="add">Whether the product is added.</param>
    public abstract void MultiplyTransposed(Activations x, PackedMatrix weight, Activations y, bool add);

    /// <summary>Packs a matrix as it is.</summary>
    /// <param name="matrix">[rows, columns].</param>
    /// <param name="destination">[rows, columns], float32.</param>
    public abstract void Pack(Activations matrix, PackedMatrix destination);

    /// <summary>Packs the transpose of a matrix.</summary>
    /// <param name="matrix">[rows, columns].</param>
    /// <param name="destination">[columns, rows], float32.</param>
    public abstract void PackTransposed(Activations matrix, PackedMatrix destination);

    /// <inheritdoc cref="Pack(Activations, PackedMatrix)"/>
    public PackedMatrix Pack(Activations matrix)
    {
        PackedMatrix packed = new(matrix.Rows, matrix.Columns, WeightFormat.F32);
        Pack(matrix, packed);
        return packed;
    }

    /// <inheritdoc cref="PackTransposed(Activations, PackedMatrix)"/>
    public PackedMatrix PackTransposed(Activations matrix)
    {
        PackedMatrix packed = new(matrix.Columns, matrix.Rows, WeightFormat.F32);
        PackTransposed(matrix, packed);
        return packed;
    }
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void Multiply(Activations x, PackedMatrix weight, Activations y, bool add)
    {
        CheckShape(x, x.Rows, weight.Columns);
        CheckShape(y, x.Rows, weight.Rows);
        _arena.Reset(Arena.Size<float>(PackedRows.Size(x.Rows, x.Columns)));
        float* data = _arena.Take<float>(PackedRows.Size(x.Rows, x.Columns));
        PackedRows packed = _region.Pack(x.Pointer, x.Stride, null, x.Rows, x.Columns, data);
        _region.RunPackings();
        _region.Multiply(packed, weight, y.Pointer, y.Stride, add: add);
        _region.RunProducts();
    }

    public override void MultiplyTransposed(Activations x, PackedMatrix weight, Activations y, bool add)
    {
        CheckShape(x, weight.Columns, x.Columns);
        CheckShape(y, x.Columns, weight.Rows);
        _arena.Reset(Arena.Size<float>(PackedRows.Size(x.Columns, x.Rows)));
        PackedRows packed = new() { Data = _arena.Take<float>(PackedRows.Size(x.Columns, x.Rows)), Rows = x.Columns, Columns = x.Rows };
        Team.Run((worker, workers) => PackStrips(packed, x.Pointer, x.Stride, worker, workers));
        _region.Multiply(packed, weight, y.Pointer, y.Stride, add: add);
        _region.RunProducts();
    }

    public override void Pack(Activations matrix, PackedMatrix destination)
    {
        CheckShape(matrix, destination.Rows, destination.Columns);
        PanelPacker packer = new(WeightFormat.F32, StoredType.F32, (long)matrix.Stride * sizeof(float), matrix.Columns, 1f);
        ForEachRange(destination.PanelCount, (begin, end) =>
        {
            for (int panel = begin; panel < end; panel++)
            {
                int row = panel * PackedMatrix.PanelRows, lanes = Math.Min(PackedMatrix.PanelRows, matrix.Rows - row);
                packer.Pack(destination.Pointer + panel * destination.PanelBytes, 0, lanes, (byte*)matrix.RowPointer(row));
            }
        });
    }

    public override void PackTransposed(Activations matrix, PackedMatrix destination)
    {
        CheckShape(matrix, destination.Columns, destination.Rows);
        ForEachRange(destination.PanelCount, (begin, end) => destination.WriteTransposed(matrix.Pointer, matrix.Stride, begin, end));
    }

    // A worker's share of the strips of the transpose.
    private static void PackStrips(PackedRows packed, float* x, long stride, int worker, int workers)
    {
        int rows;
        for (int row = 0, strip = 0; row < packed.Rows; row += rows, strip++)
        {
            rows = PackedRows.StripRows(row, packed.Rows, TLanes.TileRows);
            if (strip % workers == worker)
            {
                packed.PackTransposedStrip(x, stride, row, rows);
            }
        }
    }
}
