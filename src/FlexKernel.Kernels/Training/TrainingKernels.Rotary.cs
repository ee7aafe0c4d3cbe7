namespace FlexKernel.Kernels;

/// <content>
/// Rotary position embedding: row p of a head <c>[v1 | v2]</c> becomes <c>[v1 cos − v2 sin | v2 cos + v1 sin]</c>; its gradient turns back.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary>Rotates the heads of every row by the angles of its position.</summary>
    /// <param name="x">[T, heads · D].</param>
    /// <param name="table">Cosines and sines of all these positions.</param>
    /// <param name="positions">[T].</param>
    /// <param name="y">[T, heads · D].</param>
    public abstract void Rotate(Activations x, RotaryTable table, int[] positions, Activations y);

    /// <summary>Adds the gradient of <see cref="Rotate"/>.</summary>
    public abstract void RotateBackward(Activations dy, RotaryTable table, int[] positions, GradientSum dx);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void Rotate(Activations x, RotaryTable table, int[] positions, Activations y) =>
        AddRotated(x, table, positions, 1f, new GradientSum(y, HasValue: false));

    public override void RotateBackward(Activations dy, RotaryTable table, int[] positions, GradientSum dx) => AddRotated(dy, table, positions, -1f, dx);

    private void AddRotated(Activations x, RotaryTable table, int[] positions, float direction, GradientSum y)
    {
        CheckShape(y.Matrix, x.Rows, x.Columns);
        if (x.Columns % table.Dimension != 0 || x.Rows != positions.Length || positions.Any(position => (uint)position >= (uint)table.Positions))
        {
            throw new ArgumentException(
                $"Rows [{x.Rows}, {x.Columns}] at positions {positions.Min()} to {positions.Max()} do not fit a table of {table.Positions} positions and heads of {table.Dimension}.");
        }

        int half = table.Dimension / 2;
        int whole = half / TLanes.Count * TLanes.Count;
        ForEach(x.Rows, row =>
        {
            float* cosines = table.Cosines.RowPointer(positions[row]), sines = table.Sines.RowPointer(positions[row]);
            for (int head = 0; head < x.Columns; head += table.Dimension)
            {
                float* source = x.RowPointer(row) + head, target = y.Matrix.RowPointer(row) + head;
                RotateHalves<TLanes>(source, cosines, sines, direction, target, y.HasValue, half, 0, whole);
                RotateHalves<LanesScalar>(source, cosines, sines, direction, target, y.HasValue, half, whole, half);
            }
        });
    }

    private static void RotateHalves<T>(float* x, float* cosines, float* sines, float direction, float* y, bool add, int half, int begin, int end)
        where T : struct, ILanes<T>
    {
        for (int j = begin; j < end; j += T.Count)
        {
            T cosine = T.Load(cosines + j), sine = T.Load(sines + j) * T.Broadcast(direction);
            T first = T.Load(x + j), second = T.Load(x + half + j);
            T.Store((add ? T.Load(y + j) : T.Zero) + (first * cosine - second * sine), y + j);
            T.Store((add ? T.Load(y + half + j) : T.Zero) + (second * cosine + first * sine), y + half + j);
        }
    }
}
