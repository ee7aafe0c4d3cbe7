namespace FlexKernel.Kernels;

/// <content>Rows moved and scaled: embedding, gather, scatter, and the weights of experts.</content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>y[i] += x[source[i]]</c>.</summary>
    /// <param name="x">[*, n].</param>
    /// <param name="source">One row of <paramref name="x"/> per row of <paramref name="y"/>; null: the same rows.</param>
    /// <param name="y">[T, n].</param>
    public abstract void AddGathered(Activations x, int[]? source, GradientSum y);

    /// <summary><c>y[i] = W[rows[i]]</c>.</summary>
    /// <param name="matrix">[*, n], packed.</param>
    /// <param name="rows">One row of <paramref name="matrix"/> per row of <paramref name="y"/>.</param>
    /// <param name="y">[T, n].</param>
    public void Gather(PackedMatrix matrix, int[] rows, Activations y)
    {
        CheckShape(y, rows.Length, matrix.Columns);
        ForEach(rows.Length, row => matrix.ReadRow(rows[row], y.Row(row)));
    }

    /// <summary><c>y[target[i]] = y[target[i]] + x[i]</c>, i ascending; a row may be named more than once.</summary>
    /// <param name="x">[T, n].</param>
    /// <param name="target">One row of <paramref name="y"/> per row of <paramref name="x"/>; null: the same rows.</param>
    /// <param name="y">[*, n].</param>
    public abstract void AddScattered(Activations x, int[]? target, Activations y);

    /// <summary><c>y[i] += factor x[i]</c>; both [T, n].</summary>
    public abstract void AddScaled(Activations x, float factor, GradientSum y);

    /// <summary><c>y[i] += p[rows[i], column] x[i]</c>.</summary>
    /// <param name="x">[T, n].</param>
    /// <param name="p">[*, E].</param>
    /// <param name="rows">One row of <paramref name="p"/> per row of <paramref name="x"/>.</param>
    /// <param name="column">The column of <paramref name="p"/>.</param>
    /// <param name="y">[T, n].</param>
    public abstract void AddWeighted(Activations x, Activations p, int[] rows, int column, GradientSum y);

    /// <summary><c>dp[rows[i], column] = dp[rows[i], column] + x[i] · dy[i]</c>; the rows differ from one another.</summary>
    public abstract void AddDots(Activations x, Activations dy, int[] rows, int column, Activations dp);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void AddGathered(Activations x, int[]? source, GradientSum y)
    {
        CheckShape(x, source is null ? y.Matrix.Rows : x.Rows, y.Matrix.Columns);
        AddRows(y, row => x.RowPointer(source is null ? row : source[row]), _ => 1f);
    }

    // Threads divide columns: rows that name the same target are added in order.
    public override void AddScattered(Activations x, int[]? target, Activations y)
    {
        CheckShape(x, target is null ? y.Rows : target.Length, y.Columns);
        ForEach(y.Stride / PackedMatrix.PanelRows, panel =>
        {
            int first = panel * PackedMatrix.PanelRows;
            for (int row = 0; row < x.Rows; row++)
            {
                AddRow(x.RowPointer(row) + first, 1f, y.RowPointer(target is null ? row : target[row]) + first, true, PackedMatrix.PanelRows);
            }
        });
    }

    public override void AddScaled(Activations x, float factor, GradientSum y)
    {
        CheckShape(x, y.Matrix.Rows, y.Matrix.Columns);
        AddRows(y, x.RowPointer, _ => factor);
    }

    public override void AddWeighted(Activations x, Activations p, int[] rows, int column, GradientSum y)
    {
        CheckShape(x, rows.Length, y.Matrix.Columns);
        AddRows(y, x.RowPointer, row => p.RowPointer(rows[row])[column]);
    }

    public override void AddDots(Activations x, Activations dy, int[] rows, int column, Activations dp)
    {
        CheckShape(x, rows.Length, dy.Columns);
        ForEach(rows.Length, row => dp.RowPointer(rows[row])[column] += Vectors.Dot<TLanes>(x.RowPointer(row), dy.RowPointer(row), x.Stride));
    }

    private void AddRows(GradientSum y, RowOf source, Func<int, float> factor) => ForEachRange(y.Matrix.Rows, (begin, end) =>
    {
        for (int row = begin; row < end; row++)
        {
            AddRow(source(row), factor(row), y.Matrix.RowPointer(row), y.HasValue, y.Matrix.Stride);
        }
    });

    private static void AddRow(float* x, float factor, float* y, bool add, int count)
    {
        TLanes scale = TLanes.Broadcast(factor);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.FusedMultiplyAdd(scale, TLanes.Load(x + i), add ? TLanes.Load(y + i) : TLanes.Zero), y + i);
        }
    }

    private delegate float* RowOf(int row);
}
