using FlexKernel.Kernels;

namespace FlexKernel.Training.Optimizers;

/// <summary>
/// AdamW with decoupled decay: <c>w ← w(1 − lr λ)</c>, <c>m ← β1 m + (1 − β1) g</c>, <c>v ← β2 v + (1 − β2) g²</c>,
/// <c>w ← w − lr · (m / (1 − β1^s)) / (√v / √(1 − β2^s) + ε)</c> (arXiv:1711.05101).
/// </summary>
/// <param name="beta1">The decay of the mean, below 1.</param>
/// <param name="beta2">The decay of the mean square, below 1.</param>
/// <param name="epsilon">Added to the root, positive.</param>
public sealed class AdamW(double beta1 = 0.9, double beta2 = 0.95, double epsilon = 1e-8) : Optimizer
{
    private protected override IEnumerable<OptimizerState> NewStates(Parameter parameter)
    {
        yield return OptimizerState.Zeros("mean", parameter.Rows * parameter.Columns);
        yield return OptimizerState.Zeros("square", parameter.Rows * parameter.Columns);
    }

    private protected override void Move(Parameter parameter, int step, double rate, float keep)
    {
        IReadOnlyList<OptimizerState> states = States(parameter);
        float[] mean = states[0].Values, square = states[1].Values;
        float b1 = (float)beta1, b2 = (float)beta2, rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2), eps = (float)epsilon;
        float size = (float)(rate / (1 - Math.Pow(beta1, step))), root = (float)Math.Sqrt(1 - Math.Pow(beta2, step));
        Activations value = parameter.Value, gradient = parameter.Gradient;
        (int first, int count) = parameter.TrainableRows.GetOffsetAndLength(parameter.Rows);
        for (int row = first; row < first + count; row++)
        {
            Span<float> w = value.Row(row), g = gradient.Row(row);
            Span<float> m = mean.AsSpan(row * w.Length, w.Length), v = square.AsSpan(row * w.Length, w.Length);
            for (int i = 0; i < w.Length; i++)
            {
                m[i] = b1 * m[i] + rest1 * g[i];
                v[i] = b2 * v[i] + rest2 * g[i] * g[i];
                w[i] = MathF.FusedMultiplyAdd(w[i], keep, -size * m[i] / (MathF.Sqrt(v[i]) / root + eps));
            }
        }
    }
}
