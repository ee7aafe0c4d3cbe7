namespace FlexKernel.Training.Optimizers;

/// <summary>Parameters that move by one rule, with a rate and a decay of their own.</summary>
/// <param name="Parameters">The parameters.</param>
/// <param name="Optimizer">The rule; groups may share one.</param>
public sealed record ParameterGroup(IReadOnlyList<Parameter> Parameters, Optimizer Optimizer)
{
    /// <summary>λ of the decoupled decay. Default: none.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Multiplies the scheduled rate. Default: 1.</summary>
    public double RateScale { get; init; } = 1;

    /// <summary>Moves every parameter of the group.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="rate">The scheduled rate.</param>
    public void Update(int step, double rate)
    {
        foreach (Parameter parameter in Parameters)
        {
            Optimizer.Update(parameter, step, rate * RateScale, WeightDecay);
        }
    }
}
