namespace FlexKernel.Kernels;

/// <content>AdamW: element by element, so that any division among threads and lanes gives the same bits.</content>
internal abstract partial class TrainingKernels
{
    /// <summary>Moves rows of a matrix and their moments.</summary>
    /// <param name="value">w [rows, n].</param>
    /// <param name="gradient">g [rows, n].</param>
    /// <param name="rows">The rows that move.</param>
    /// <param name="mean">m, row-major without padding.</param>
    /// <param name="square">v, row-major without padding.</param>
    /// <param name="step">The factors.</param>
    public abstract void AdamW(Activations value, Activations gradient, Range rows, float[] mean, float[] square, AdamWStep step);
}

/// <summary>
/// The factors of <c>m ← β1 m + r1 g</c>, <c>v ← β2 v + r2 g²</c>, <c>w ← keep w − size · m / (√v / root + ε)</c>.
/// </summary>
internal readonly record struct AdamWStep(float Beta1, float Rest1, float Beta2, float Rest2, float Keep, float Size, float Root, float Epsilon);

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void AdamW(Activations value, Activations gradient, Range rows, float[] mean, float[] square, AdamWStep step)
    {
        CheckShape(gradient, value.Rows, value.Columns);
        int columns = value.Columns, whole = columns / TLanes.Count * TLanes.Count;
        (int first, int count) = rows.GetOffsetAndLength(value.Rows);
        if (mean.LongLength != (long)value.Rows * columns || square.LongLength != mean.LongLength)
        {
            throw new ArgumentException($"Moments of {mean.Length} and {square.Length} values for a matrix [{value.Rows}, {columns}].", nameof(mean));
        }

        ForEachRange(count, (begin, end) =>
        {
            fixed (float* means = mean, squares = square)
            {
                for (int row = first + begin; row < first + end; row++)
                {
                    float* w = value.RowPointer(row), g = gradient.RowPointer(row), m = means + (long)row * columns, v = squares + (long)row * columns;
                    Move<TLanes>(w, g, m, v, 0, whole, step);
                    Move<LanesScalar>(w, g, m, v, whole, columns, step);
                }
            }
        });
    }

    private static void Move<T>(float* w, float* g, float* m, float* v, int begin, int end, AdamWStep step)
        where T : struct, ILanes<T>
    {
        T beta1 = T.Broadcast(step.Beta1), rest1 = T.Broadcast(step.Rest1), beta2 = T.Broadcast(step.Beta2), rest2 = T.Broadcast(step.Rest2);
        T keep = T.Broadcast(step.Keep), size = T.Broadcast(-step.Size), root = T.Broadcast(step.Root), epsilon = T.Broadcast(step.Epsilon);
        for (int i = begin; i < end; i += T.Count)
        {
            T gradient = T.Load(g + i);
            T mean = beta1 * T.Load(m + i) + rest1 * gradient, square = beta2 * T.Load(v + i) + rest2 * gradient * gradient;
            T.Store(mean, m + i);
            T.Store(square, v + i);
            T.Store(T.FusedMultiplyAdd(T.Load(w + i), keep, size * mean / (T.Sqrt(square) / root + epsilon)), w + i);
        }
    }
}
