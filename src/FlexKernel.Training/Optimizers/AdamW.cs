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
        AdamWStep factors = new(
            (float)beta1,
            (float)(1 - beta1),
            (float)beta2,
            (float)(1 - beta2),
            keep,
            (float)(rate / (1 - Math.Pow(beta1, step))),
            (float)Math.Sqrt(1 - Math.Pow(beta2, step)),
            (float)epsilon);
        parameter.Kernels.AdamW(parameter.Value, parameter.Gradient, parameter.TrainableRows, states[0].Values, states[1].Values, factors);
    }
}
