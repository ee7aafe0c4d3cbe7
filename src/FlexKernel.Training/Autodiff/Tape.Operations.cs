using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <content>The operations of dense layers. Their numbers, forward and backward, are in <see cref="TrainingKernels"/>, one file each.</content>
internal sealed partial class Tape
{
    /// <summary>Rows of an embedding [V, d]; the gradient is added row after row.</summary>
    public Variable Embed(Parameter table, int[] ids)
    {
        Variable y = New(ids.Length, table.Columns, Needs(table));
        table.Values.Gather(kernels, ids, y.Value);
        Record(y, () => kernels.AddScattered(y.Gradient, ids, table.Gradient));
        return y;
    }

    /// <summary><c>x Wᵀ</c>; W [out, in].</summary>
    public Variable Linear(Variable x, Parameter weight) => Linear((x, weight));

    /// <summary><c>Σ x Wᵀ</c>, added in order; W [out, in].</summary>
    public Variable Linear(params (Variable X, Parameter Weight)[] terms)
    {
        Variable y = New(terms[0].X.Rows, terms[0].Weight.Rows, terms.Any(term => term.X.NeedsGradient || Needs(term.Weight)));
        for (int i = 0; i < terms.Length; i++)
        {
            kernels.Multiply(Input(terms[i].X), terms[i].Weight.Values.Packed(kernels), y.Value, add: i > 0);
        }

        Record(y, () =>
        {
            foreach ((Variable x, Parameter weight) in terms.Reverse())
            {
                kernels.MultiplyBackward(
                    Input(x), y.Gradient, x.NeedsGradient ? weight.Values.PackedTransposed(kernels) : null, x.GradientSumIfNeeded,
                    Needs(weight) ? weight.GradientSum : null);
            }
        });
        return y;
    }

    /// <summary>RMSNorm of every row.</summary>
    public Variable RmsNorm(Variable x, Parameter gain, float epsilon) => AddRmsNorm(null, x, gain, epsilon);

    /// <summary><c>residual + RMSNorm(x)</c>; no residual counts as zero.</summary>
    public Variable AddRmsNorm(Variable? residual, Variable x, Parameter gain, float epsilon)
    {
        Variable y = New(x.Rows, x.Columns, x.NeedsGradient || Needs(gain) || residual is { NeedsGradient: true });
        kernels.RmsNorm(x.Value, gain.Value, epsilon, residual?.Value, y.Value);
        Record(y, () =>
        {
            kernels.RmsNormBackward(x.Value, gain.Value, epsilon, y.Gradient, x.GradientSumIfNeeded, Needs(gain) ? gain.Gradient : null);
            if (residual is not null)
            {
                PassGradient(y, residual);
            }
        });
        return y;
    }

    /// <summary><c>a + b</c>.</summary>
    public Variable Add(Variable a, Variable b)
    {
        Variable y = Copy(a.Value, a.NeedsGradient || b.NeedsGradient);
        kernels.AddGathered(b.Value, null, new GradientSum(y.Value, HasValue: true));
        Record(y, () =>
        {
            if (b.NeedsGradient)
            {
                kernels.AddGathered(y.Gradient, null, b.GradientSum);
            }

            PassGradient(y, a);
        });
        return y;
    }

    /// <summary><c>factor x</c>.</summary>
    public Variable Scale(Variable x, float factor)
    {
        Variable y = New(x.Rows, x.Columns, x.NeedsGradient);
        kernels.AddScaled(x.Value, factor, Empty(y));
        Record(y, () => kernels.AddScaled(y.Gradient, factor, x.GradientSum));
        return y;
    }

    /// <summary>Rotary position embedding of rows at given positions.</summary>
    public Variable Rotate(Variable x, RotaryTable table, int[] positions)
    {
        Variable y = New(x.Rows, x.Columns, x.NeedsGradient);
        kernels.Rotate(x.Value, table, positions, y.Value);
        Record(y, () => kernels.RotateBackward(y.Gradient, table, positions, x.GradientSum));
        return y;
    }

    /// <summary>Causal attention with recomputation.</summary>
    /// <param name="q">[T, query heads · D].</param>
    /// <param name="k">[T, key heads · D].</param>
    /// <param name="v">[T, key heads · D].</param>
    /// <param name="headDimension">D.</param>
    /// <param name="firstSeen">The first row that each row sees.</param>
    public Variable Attend(Variable q, Variable k, Variable v, int headDimension, int[] firstSeen)
    {
        Variable y = New(q.Rows, q.Columns, q.NeedsGradient || k.NeedsGradient || v.NeedsGradient);
        Variable sums = New(q.Rows, q.Columns / headDimension, needsGradient: false);
        kernels.Attend(q.Value, k.Value, v.Value, headDimension, firstSeen, y.Value, sums.Value);
        Record(y, () => kernels.AttendBackward(
            q.Value, k.Value, v.Value, headDimension, firstSeen, y.Value, sums.Value, y.Gradient, q.GradientSum, k.GradientSum, v.GradientSum));
        return y;
    }

    /// <summary><c>silu(gate) ⊙ up</c>.</summary>
    public Variable SwiGlu(Variable gate, Variable up)
    {
        Variable y = New(gate.Rows, gate.Columns, gate.NeedsGradient || up.NeedsGradient);
        kernels.SwiGlu(gate.Value, up.Value, y.Value);
        Record(y, () => kernels.SwiGluBackward(gate.Value, up.Value, y.Gradient, gate.GradientSumIfNeeded, up.GradientSumIfNeeded));
        return y;
    }

    /// <summary>
    /// Runs a segment and keeps only what enters and leaves it: the backward pass runs it again. The gradients have the same bits.
    /// </summary>
    public Variable Checkpoint(Variable x, Func<Tape, Variable, Variable> segment)
    {
        Variable y;
        using (Tape forward = new(kernels, records: false) { Statistics = Statistics, DropoutKeys = DropoutKeys })
        {
            y = Copy(segment(forward, forward.Copy(x.Value, needsGradient: false)).Value, needsGradient: true);
        }

        Record(y, () =>
        {
            using Tape again = new(kernels, records: true) { DropoutKeys = DropoutKeys };
            Variable input = again.Copy(x.Value, x.NeedsGradient), output = segment(again, input);
            if (output.NeedsGradient)
            {
                kernels.AddGathered(y.Gradient, null, output.GradientSum);
                again.Backward();
            }

            if (x.NeedsGradient)
            {
                kernels.AddGathered(input.Gradient, null, x.GradientSum);
            }
        });
        return y;
    }
}
