using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <content>The operations of mixtures: routing, and rows moved to experts and back.</content>
internal sealed partial class Tape
{
    /// <summary>Chooses experts; see <see cref="TrainingKernels.Route"/>.</summary>
    /// <param name="logits">[T, E], without the bias.</param>
    /// <param name="bias">[E − 1, 1], or null.</param>
    /// <param name="active">k.</param>
    /// <param name="renormalise">Whether the weights of the chosen are divided by their sum.</param>
    /// <param name="layer">The layer, for the statistics.</param>
    /// <param name="penalty">What the router adds to the loss.</param>
    /// <returns>The weights [T, E], zero where not chosen.</returns>
    public Variable Route(Variable logits, Parameter? bias, int active, bool renormalise, int layer, RouterPenalty penalty)
    {
        bool trainsBias = bias is not null && Needs(bias);
        Variable probabilities = Zeros(logits.Rows, logits.Columns, needsGradient: false);
        Variable weights = Zeros(logits.Rows, logits.Columns, logits.NeedsGradient || trainsBias);
        float[] logSumExp = new float[logits.Rows];
        kernels.Route(logits.Value, bias?.Value, active, renormalise, probabilities.Value, weights.Value, logSumExp);
        Statistics?.Add(layer, probabilities.Value, weights.Value, logSumExp);
        Record(weights, () => kernels.RouteBackward(
            probabilities.Value, weights.Value, logSumExp, weights.Gradient, renormalise, penalty, bias?.Value, logits.Gradient,
            trainsBias ? bias!.Gradient : null));
        return weights;
    }

    /// <summary>Rows of x, ascending and different.</summary>
    public Variable Gather(Variable x, int[] rows)
    {
        if (rows.Length == x.Rows)
        {
            return x;
        }

        Variable y = New(rows.Length, x.Columns, x.NeedsGradient);
        kernels.AddGathered(x.Value, rows, Empty(y));
        Record(y, () => kernels.AddScattered(y.Gradient, rows, x.Gradient));
        return y;
    }

    /// <summary>Adds rows to rows of a sum, in place: <c>sum[rows[i]] += x[i]</c>.</summary>
    /// <param name="sum">Made by <see cref="Zeros"/>, read by nothing recorded before.</param>
    /// <param name="x">[rows, n].</param>
    /// <param name="rows">Where they go.</param>
    public void AddRows(Variable sum, Variable x, int[] rows)
    {
        kernels.AddScattered(x.Value, rows, sum.Value);
        if (x.NeedsGradient)
        {
            // Neither ends here: the sum has other terms, and x its own backward pass to come.
            _backward.Add((() => kernels.AddGathered(sum.Gradient, rows, x.GradientSum), null));
        }
    }

    /// <summary><c>y[i] = weights[rows[i], expert] x[i]</c>.</summary>
    public Variable Weight(Variable x, Variable weights, int[] rows, int expert)
    {
        Variable y = New(x.Rows, x.Columns, x.NeedsGradient || weights.NeedsGradient);
        kernels.AddWeighted(x.Value, weights.Value, rows, expert, Empty(y));
        Record(y, () =>
        {
            if (x.NeedsGradient)
            {
                kernels.AddWeighted(y.Gradient, weights.Value, rows, expert, x.GradientSum);
            }

            if (weights.NeedsGradient)
            {
                kernels.AddDots(x.Value, y.Gradient, rows, expert, weights.Gradient);
            }
        });
        return y;
    }
}
