using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <summary>Records the operations on one sequence and runs their backward passes in reverse order.</summary>
/// <remarks>Operations whose inputs need no gradient are not recorded. The tape owns every variable made on it.</remarks>
/// <param name="kernels">The kernels.</param>
/// <param name="records">False when no gradient is wanted.</param>
internal sealed partial class Tape(TrainingKernels kernels, bool records) : IDisposable
{
    private readonly List<Variable> _variables = [];
    private readonly List<Action> _backward = [];

    /// <summary>Whether gradients are wanted.</summary>
    public bool Records => records;

    /// <summary>Where routers note what they chose; null: nowhere.</summary>
    public RouterStatistics? Statistics { get; init; }

    public TrainingKernels Kernels => kernels;

    /// <summary>A variable of zeros.</summary>
    public Variable Zeros(int rows, int columns, bool needsGradient)
    {
        Variable variable = new(new Activations(rows, columns), needsGradient && records);
        _variables.Add(variable);
        return variable;
    }

    /// <summary>A copy of a matrix.</summary>
    public Variable Copy(Activations source, bool needsGradient)
    {
        Variable variable = Zeros(source.Rows, source.Columns, needsGradient);
        kernels.AddGathered(source, null, variable.Value);
        return variable;
    }

    /// <summary>Runs the backward passes; the gradients of the results must stand in them.</summary>
    public void Backward()
    {
        for (int i = _backward.Count - 1; i >= 0; i--)
        {
            _backward[i]();
        }

        _backward.Clear();
    }

    public void Dispose() => _variables.ForEach(variable => variable.Dispose());

    private bool Needs(Parameter parameter) => records && parameter.IsTrainable;

    private void Record(Variable output, Action backward)
    {
        if (output.NeedsGradient)
        {
            _backward.Add(backward);
        }
    }
}
