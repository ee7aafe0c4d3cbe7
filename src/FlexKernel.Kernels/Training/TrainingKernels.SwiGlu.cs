namespace FlexKernel.Kernels;

/// <content>
/// SwiGLU: <c>h = silu(g) ⊙ u</c>; with <c>q = sigmoid(g)</c>: <c>dg = dh ⊙ u ⊙ q (1 + g (1 − q))</c>, <c>du = dh ⊙ g q</c>.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>h = silu(g) ⊙ u</c>; all [T, n].</summary>
    public abstract void SwiGlu(Activations gate, Activations up, Activations h);

    /// <summary>Adds the gradients of <see cref="SwiGlu"/>; all [T, n], the last two may be null.</summary>
    public abstract void SwiGluBackward(Activations gate, Activations up, Activations dh, Activations? dgate, Activations? dup);
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

    public override void SwiGluBackward(Activations gate, Activations up, Activations dh, Activations? dgate, Activations? dup)
    {
        CheckShape(up, gate.Rows, gate.Columns);
        CheckShape(dh, gate.Rows, gate.Columns);
        ForEach(gate.Rows, row =>
        {
            TLanes one = TLanes.Broadcast(1f);
            for (int i = 0; i < gate.Stride; i += TLanes.Count)
            {
                TLanes g = TLanes.Load(gate.RowPointer(row) + i), d = TLanes.Load(dh.RowPointer(row) + i);
                TLanes q = one / (one + Vectors.Exp(TLanes.Zero - g));
                if (dgate is not null)
                {
                    TLanes slope = q * TLanes.FusedMultiplyAdd(g, one - q, one);
                    float* target = dgate.RowPointer(row) + i;
                    TLanes.Store(TLanes.FusedMultiplyAdd(d * TLanes.Load(up.RowPointer(row) + i), slope, TLanes.Load(target)), target);
                }

                if (dup is not null)
                {
                    float* target = dup.RowPointer(row) + i;
                    TLanes.Store(TLanes.FusedMultiplyAdd(d, g * q, TLanes.Load(target)), target);
                }
            }
        });
    }
}
