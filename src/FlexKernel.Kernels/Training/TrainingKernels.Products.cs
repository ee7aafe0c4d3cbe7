namespace FlexKernel.Kernels;

/// <content>Products: <c>Y = X Wᵀ</c>, and with it <c>dX = dY W = dY (Wᵀ)ᵀ</c> and <c>dW = dYᵀ X = dYᵀ (Xᵀ)ᵀ</c>.</content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>y = x Wᵀ</c>, or <c>y = y + x Wᵀ</c>.</summary>
    /// <param name="x">[T, in]; packed if it is not yet.</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="y">[T, out].</param>
    /// <param name="add">Whether the product is added.</param>
    public abstract void Multiply(ProductInput x, PackedMatrix weight, Activations y, bool add);

    /// <inheritdoc cref="Multiply(ProductInput, PackedMatrix, Activations, bool)"/>
    public void Multiply(Activations x, PackedMatrix weight, Activations y, bool add)
    {
        using ProductInput input = new(x, Pool);
        Multiply(input, weight, y, add);
    }

    /// <summary>Adds the gradients of <see cref="Multiply(ProductInput, PackedMatrix, Activations, bool)"/>.</summary>
    /// <param name="x">[T, in]; packed if it is not yet.</param>
    /// <param name="dy">[T, out].</param>
    /// <param name="transposed">Wᵀ [in, out], if <paramref name="dx"/> is wanted.</param>
    /// <param name="dx">[T, in], or null.</param>
    /// <param name="dweight">[out, in], or null.</param>
    public abstract void MultiplyBackward(ProductInput x, Activations dy, PackedMatrix? transposed, GradientSum? dx, GradientSum? dweight);

    /// <summary>Packs a matrix as it is.</summary>
    /// <param name="matrix">[rows, columns].</param>
    /// <param name="destination">[rows, columns], float32.</param>
    public abstract void Pack(Activations matrix, PackedMatrix destination);

    /// <summary>Packs the transpose of a matrix.</summary>
    /// <param name="matrix">[rows, columns].</param>
    /// <param name="destination">[columns, rows], float32.</param>
    public abstract void PackTransposed(Activations matrix, PackedMatrix destination);

    /// <summary>Packs the transpose of a packed matrix.</summary>
    /// <param name="matrix">[rows, columns], F32 or BF16.</param>
    /// <param name="destination">[columns, rows], the same format.</param>
    public void PackTransposed(PackedMatrix matrix, PackedMatrix destination) =>
        ForEachRange(destination.PanelCount, (begin, end) => destination.WriteTransposed(matrix, begin, end));

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
    public override void Multiply(ProductInput x, PackedMatrix weight, Activations y, bool add)
    {
        CheckShape(x.Matrix, x.Matrix.Rows, weight.Columns);
        CheckShape(y, x.Matrix.Rows, weight.Rows);
        if (x.Rows is null)
        {
            PackedRows rows = x.TakeRows();
            Team.Run((worker, workers) => PackRows(rows, x.Matrix, worker, workers));
        }

        _products.Add(x.Rows!.Value, weight, y, add);
        _products.Run();
    }

    public override void MultiplyBackward(ProductInput x, Activations dy, PackedMatrix? transposed, GradientSum? dx, GradientSum? dweight)
    {
        Activations input = x.Matrix;
        CheckShape(dy, input.Rows, dy.Columns);
        _arena.Reset(Arena.Size<float>(PackedRows.Size(dy.Rows, dy.Columns)) + Arena.Size<float>(PackedRows.Size(dy.Columns, dy.Rows)));
        PackedRows rows = default, columns = default;
        if (dx is { } inputSum)
        {
            CheckShape(inputSum.Matrix, input.Rows, input.Columns);
            rows = new PackedRows { Data = _arena.Take<float>(PackedRows.Size(dy.Rows, dy.Columns)), Rows = dy.Rows, Columns = dy.Columns };
            _products.Add(rows, transposed!, inputSum.Matrix, inputSum.HasValue);
        }

        PackedMatrix? fresh = null;
        if (dweight is { } weightSum)
        {
            CheckShape(weightSum.Matrix, dy.Columns, input.Columns);
            fresh = x.Columns is null ? x.TakeColumns() : null;
            columns = new PackedRows { Data = _arena.Take<float>(PackedRows.Size(dy.Columns, dy.Rows)), Rows = dy.Columns, Columns = dy.Rows };
            _products.Add(columns, x.Columns!, weightSum.Matrix, weightSum.HasValue);
        }

        Team.Run((worker, workers) =>
        {
            PackRows(rows, dy, worker, workers);
            (int begin, int end) = WorkerTeam.Share(columns.Rows, worker, workers);
            columns.PackTransposed<TLanes>(dy.Pointer, dy.Stride, begin, end);
            (begin, end) = WorkerTeam.Share(fresh?.PanelCount ?? 0, worker, workers);
            fresh?.WriteTransposed(input.Pointer, input.Stride, begin, end);
        });
        _products.Run();
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

    private static void PackRows(PackedRows packed, Activations x, int worker, int workers)
    {
        foreach ((int begin, int rows) in packed.Strips(TLanes.TileRows, worker, workers))
        {
            packed.PackStrip<TLanes>(x.Pointer, x.Stride, null, begin, rows);
        }
    }
}
