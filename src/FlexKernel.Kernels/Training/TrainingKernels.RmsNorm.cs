namespace FlexKernel.Kernels;

/// <content>
/// RMSNorm: <c>y = gain ⊙ x s</c> with <c>s = (mean(x²) + epsilon)^(−1/2)</c>; <c>dx = s (gain ⊙ dy) − x s³ mean(gain ⊙ dy ⊙ x)</c>,
/// <c>dgain = Σ_rows dy ⊙ x s</c>.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary>Normalises every row.</summary>
    /// <param name="x">[T, n].</param>
    /// <param name="gain">[1, n].</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    /// <param name="y">[T, n].</param>
    public abstract void RmsNorm(Activations x, Activations gain, float epsilon, Activations y);

    /// <summary>Adds the gradients of <see cref="RmsNorm"/>.</summary>
    /// <param name="x">The forward input.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="epsilon">The forward epsilon.</param>
    /// <param name="dy">[T, n], gradient of the output.</param>
    /// <param name="dx">[T, n], or null.</param>
    /// <param name="dgain">[1, n], or null.</param>
    public abstract void RmsNormBackward(Activations x, Activations gain, float epsilon, Activations dy, Activations? dx, Activations? dgain);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void RmsNorm(Activations x, Activations gain, float epsilon, Activations y)
    {
        CheckShape(gain, 1, x.Columns);
        CheckShape(y, x.Rows, x.Columns);
        ForEach(x.Rows, row => Norms.RmsNorm<TLanes>(x.RowPointer(row), gain.Pointer, x.Columns, epsilon, y.RowPointer(row)));
    }

    public override void RmsNormBackward(Activations x, Activations gain, float epsilon, Activations dy, Activations? dx, Activations? dgain)
    {
        CheckShape(gain, 1, x.Columns);
        CheckShape(dy, x.Rows, x.Columns);
        float[] scales = new float[x.Rows];
        using Activations weighted = new(x.Rows, x.Columns);
        ForEach(x.Rows, row =>
        {
            float* source = x.RowPointer(row), gradient = weighted.RowPointer(row);
            float scale = 1f / MathF.Sqrt(Vectors.SumOfSquares<TLanes>(source, x.Columns) / x.Columns + epsilon);
            scales[row] = scale;
            if (dx is null)
            {
                return;
            }

            for (int i = 0; i < x.Stride; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(gain.Pointer + i) * TLanes.Load(dy.RowPointer(row) + i), gradient + i);
            }

            float along = scale * scale * (Vectors.Dot<TLanes>(gradient, source, x.Stride) / x.Columns);
            TLanes factor = TLanes.Broadcast(scale), back = TLanes.Broadcast(-along);
            float* target = dx.RowPointer(row);
            for (int i = 0; i < x.Stride; i += TLanes.Count)
            {
                TLanes direction = TLanes.FusedMultiplyAdd(back, TLanes.Load(source + i), TLanes.Load(gradient + i));
                TLanes.Store(TLanes.FusedMultiplyAdd(factor, direction, TLanes.Load(target + i)), target + i);
            }
        });

        if (dgain is not null)
        {
            CheckShape(dgain, 1, x.Columns);
            ForEach(x.Stride / PackedMatrix.PanelRows, panel => SumGain(x, dy, scales, panel * PackedMatrix.PanelRows, dgain.Pointer));
        }
    }

    private static void SumGain(Activations x, Activations dy, float[] scales, int first, float* dgain)
    {
        for (int i = first; i < first + PackedMatrix.PanelRows; i += TLanes.Count)
        {
            for (int block = 0; block < x.Rows; block += BlockRows)
            {
                TLanes sum = TLanes.Zero;
                for (int row = block; row < Math.Min(block + BlockRows, x.Rows); row++)
                {
                    sum = TLanes.FusedMultiplyAdd(TLanes.Load(dy.RowPointer(row) + i), TLanes.Load(x.RowPointer(row) + i) * TLanes.Broadcast(scales[row]), sum);
                }

                TLanes.Store(TLanes.Load(dgain + i) + sum, dgain + i);
            }
        }
    }
}
