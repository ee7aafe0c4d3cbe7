namespace FlexKernel.Kernels;

/// <content>
/// SwiGLU: <c>h = silu(g) ⊙ u</c>; with <c>q = sigmoid(g)</c>: <c>dg = dh ⊙ u ⊙ q (1 + g (1 − q))</c>, <c>du = dh ⊙ g q</c>.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>h = silu(g) ⊙ u</c>; all [T, n].</summary>
    public abstract void SwiGlu(Activations gate, Activations up, Activations h);

    /// <summary>Adds the gradients of <see cref="SwiGlu"/>; all [T, n], the last two may be null.</summary>
    public abstract void SwiGluBackward(Activations gate, Activations up, Activations dh, GradientSum? dgate, GradientSum? dup);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void SwiGlu(Activations gate, Activations up, Activations h)
    {
        CheckShape(up, gate.Rows, gate.Columns);
        CheckShape(h, gate.Rows, gate.Columns);
        ForEach(gate.Rows, row =>
        {
            float* g = gate.RowPointer(row), u = up.RowPointer(row), target = h.RowPointer(row);
            for (int i = 0; i < gate.Stride; i += TLanes.Count)
            {
                TLanes.Store(Vectors.Silu(TLanes.Load(g + i)) * TLanes.Load(u + i), target + i);
            }
        });
    }

    public override void SwiGluBackward(Activations gate, Activations up, Activations dh, GradientSum? dgate, GradientSum? dup)
    {
        CheckShape(up, gate.Rows, gate.Columns);
        CheckShape(dh, gate.Rows, gate.Columns);
        ForEachRange(gate.Rows, (begin, end) =>
        {
            for (int row = begin; row < end; row++)
            {
                float* g = gate.RowPointer(row), u = up.RowPointer(row), d = dh.RowPointer(row);
                float* dg = dgate is { } gateSum ? gateSum.Matrix.RowPointer(row) : null, du = dup is { } upSum ? upSum.Matrix.RowPointer(row) : null;
                SwiGluBackward(g, u, d, gate.Stride, dg, dgate?.HasValue ?? false, du, dup?.HasValue ?? false);
            }
        });
    }

    private static void SwiGluBackward(float* gate, float* up, float* dh, int count, float* dgate, bool addGate, float* dup, bool addUp)
    {
        TLanes one = TLanes.Broadcast(1f);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes g = TLanes.Load(gate + i), d = TLanes.Load(dh + i), q = one / (one + Vectors.Exp(TLanes.Zero - g));
            if (dgate != null)
            {
                TLanes slope = q * TLanes.FusedMultiplyAdd(g, one - q, one);
                TLanes.Store(TLanes.FusedMultiplyAdd(d * TLanes.Load(up + i), slope, addGate ? TLanes.Load(dgate + i) : TLanes.Zero), dgate + i);
            }

            if (dup != null)
            {
                TLanes.Store(TLanes.FusedMultiplyAdd(d, g * q, addUp ? TLanes.Load(dup + i) : TLanes.Zero), dup + i);
            }
        }
    }
}
