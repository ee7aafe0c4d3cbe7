namespace FlexKernel.Training.Optimizers;

/// <summary>A rule that moves parameters against their gradients. Float32 values and state, one state per parameter.</summary>
/// <remarks>
/// Rows outside <see cref="Parameter.TrainableRows"/> keep their bits: no step and no decay. The state of a parameter is a few arrays with names,
/// zero at first: all there is to keep for going on to the bit, beside the parameters and the step.
/// </remarks>
public abstract class Optimizer
{
    private readonly Dictionary<Parameter, OptimizerState[]> _states = [];

    /// <summary>Moves one parameter.</summary>
    /// <param name="parameter">A trainable parameter with its gradient.</param>
    /// <param name="step">The step, from 1.</param>
    /// <param name="rate">The learning rate; it also multiplies the decay.</param>
    /// <param name="weightDecay">λ of <c>w ← w (1 − rate λ)</c>.</param>
    /// <exception cref="ArgumentException">The rule does not apply to such a parameter.</exception>
    public void Update(Parameter parameter, int step, double rate, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        if (!parameter.IsTrainable)
        {
            throw new ArgumentException($"Parameter '{parameter.Name}' is frozen.", nameof(parameter));
        }

        Move(parameter, step, rate, (float)(1 - rate * weightDecay));
        parameter.MarkChanged();
    }

    /// <summary>The state of a parameter, to be written to a checkpoint or overwritten from one.</summary>
    /// <param name="parameter">A parameter that this rule moves.</param>
    internal IReadOnlyList<OptimizerState> States(Parameter parameter)
    {
        if (!_states.TryGetValue(parameter, out OptimizerState[]? states))
        {
            states = [.. NewStates(parameter)];
            _states.Add(parameter, states);
        }

        return states;
    }

    /// <summary>The arrays this rule keeps for a parameter, zero.</summary>
    private protected abstract IEnumerable<OptimizerState> NewStates(Parameter parameter);

    /// <summary>Moves one parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="step">The step, from 1.</param>
    /// <param name="rate">The learning rate.</param>
    /// <param name="keep">What decay leaves of each value.</param>
    private protected abstract void Move(Parameter parameter, int step, double rate, float keep);

    private protected static void RequireAllRows(Parameter parameter, string rule)
    {
        if (parameter.TrainableRows.GetOffsetAndLength(parameter.Rows).Length != parameter.Rows)
        {
            throw new ArgumentException($"{rule} moves a matrix as a whole; only some rows of '{parameter.Name}' train.", nameof(parameter));
        }
    }
}
