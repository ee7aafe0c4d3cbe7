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
    /// <param name="residual">[T, n], added to the normalised rows; or null.</param>
    /// <param name="y">[T, n].</param>
    public abstract void RmsNorm(Activations x, Activations gain, float epsilon, Activations? residual, Activations y);

    /// <summary>Adds the gradients of <see cref="RmsNorm"/>; that of the residual is dy.</summary>
    /// <param name="x">The forward input.</param>
    /// <param name="gain">The gain.</param>
    /// <param name="epsilon">The forward epsilon.</param>
    /// <param name="dy">[T, n], gradient of the output.</param>
    /// <param name="dx">[T, n], or null.</param>
    /// <param name="dgain">[1, n], or null.</param>
    public abstract void RmsNormBackward(Activations x, Activations gain, float epsilon, Activations dy, GradientSum? dx, Activations? dgain);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void RmsNorm(Activations x, Activations gain, float epsilon, Activations? residual, Activations y)
    {
        CheckShape(gain, 1, x.Columns);
        CheckShape(y, x.Rows, x.Columns);
        if (residual is not null)
        {
            CheckShape(residual, x.Rows, x.Columns);
        }

        ForEachRange(x.Rows, (begin, end) =>
        {
            for (int row = begin; row < end; row++)
            {
                float* source = x.RowPointer(row), target = y.RowPointer(row);
                Norms.RmsNorm<TLanes>(source, gain.Pointer, x.Columns, epsilon, target);
                if (residual is not null)
                {
                    Add(residual.RowPointer(row), target, y.Stride);
                }
            }
        });
    }

    public override void RmsNormBackward(Activations x, Activations gain, float epsilon, Activations dy, GradientSum? dx, Activations? dgain)
    {
        CheckShape(gain, 1, x.Columns);
        CheckShape(dy, x.Rows, x.Columns);
        float[] scales = new float[x.Rows];
        Team.Run((worker, workers) =>
        {
            Arena arena = _scratch[worker];
            arena.Reset(Arena.Size<float>(x.Stride));
            float* weighted = arena.Take<float>(x.Stride);
            (int begin, int end) = WorkerTeam.Share(x.Rows, worker, workers);
            for (int row = begin; row < end; row++)
            {
                float* source = x.RowPointer(row);
                scales[row] = 1f / MathF.Sqrt(Vectors.SumOfSquares<TLanes>(source, x.Columns) / x.Columns + epsilon);
                if (dx is { } sum)
                {
                    RmsNormBackward(source, gain.Pointer, dy.RowPointer(row), scales[row], weighted, x, sum.Matrix.RowPointer(row), sum.HasValue);
                }
            }
        });

        if (dgain is not null)
        {
            CheckShape(dgain, 1, x.Columns);
            ForEach(x.Stride / PackedMatrix.PanelRows, panel => SumGain(x, dy, scales, panel * PackedMatrix.PanelRows, dgain.Pointer));
        }
    }

    private static void RmsNormBackward(float* x, float* gain, float* dy, float scale, float* weighted, Activations shape, float* dx, bool add)
    {
        for (int i = 0; i < shape.Stride; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(gain + i) * TLanes.Load(dy + i), weighted + i);
        }

        float along = scale * scale * (Vectors.Dot<TLanes>(weighted, x, shape.Stride) / shape.Columns);
        TLanes factor = TLanes.Broadcast(scale), back = TLanes.Broadcast(-along);
        for (int i = 0; i < shape.Stride; i += TLanes.Count)
        {
            TLanes direction = TLanes.FusedMultiplyAdd(back, TLanes.Load(x + i), TLanes.Load(weighted + i));
            TLanes.Store(TLanes.FusedMultiplyAdd(factor, direction, add ? TLanes.Load(dx + i) : TLanes.Zero), dx + i);
        }
    }

    private static void SumGain(Activations x, Activations dy, float[] scales, int first, float* dgain)
    {
        for (int i = first; i < first + PackedMatrix.PanelRows; i += TLanes.Count)
        {
            for (int block = 0; block < x.Rows; block += BlockRows)
            {
                TLanes sum = TLanes.Zero;
                float* source = x.RowPointer(block) + i, gradient = dy.RowPointer(block) + i;
                int end = Math.Min(block + BlockRows, x.Rows);
                for (int row = block; row < end; row++, source += x.Stride, gradient += dy.Stride)
                {
                    sum = TLanes.FusedMultiplyAdd(TLanes.Load(gradient), TLanes.Load(source) * TLanes.Broadcast(scales[row]), sum);
                }

                TLanes.Store(TLanes.Load(dgain + i) + sum, dgain + i);
            }
        }
    }

    private static void Add(float* x, float* y, int count)
    {
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(x + i) + TLanes.Load(y + i), y + i);
        }
    }
}
