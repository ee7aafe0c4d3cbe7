using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <summary>Records the operations on one sequence and runs their backward passes in reverse order.</summary>
/// <remarks>
/// Operations whose inputs need no gradient are not recorded. The tape owns every variable made on it; the backward pass of the operation that
/// made a variable is the last to read it, and gives its memory back.
/// </remarks>
/// <param name="kernels">The kernels.</param>
/// <param name="records">False when no gradient is wanted.</param>
internal sealed partial class Tape(TrainingKernels kernels, bool records) : IDisposable
{
    private readonly List<Variable> _variables = [];
    private readonly List<(Action Run, Variable? Output)> _backward = [];
    private Variable? _packed;
    private ProductInput? _packedInput;

    /// <summary>Whether gradients are wanted.</summary>
    public bool Records => records;

    /// <summary>Where routers note what they chose; null: nowhere.</summary>
    public RouterStatistics? Statistics { get; init; }

    /// <summary>What dropout draws the masks of each row of the sequence from; null: nothing is dropped.</summary>
    public ulong[]? DropoutKeys { get; init; }

    public TrainingKernels Kernels => kernels;

    /// <summary>A matrix of zeros.</summary>
    public static Activations ZeroMatrix(int rows, int columns, NativeMemoryPool pool)
    {
        Activations matrix = new(rows, columns, pool);
        for (int row = 0; row < rows; row++)
        {
            matrix.Row(row).Clear();
        }

        return matrix;
    }

    /// <summary>A variable of zeros.</summary>
    public Variable Zeros(int rows, int columns, bool needsGradient) => Own(ZeroMatrix(rows, columns, kernels.Pool), needsGradient);

    /// <summary>A copy of a matrix.</summary>
    public Variable Copy(Activations source, bool needsGradient)
    {
        Variable variable = New(source.Rows, source.Columns, needsGradient);
        kernels.AddGathered(source, null, Empty(variable));
        return variable;
    }

    /// <summary>Runs the backward passes; the gradients of the results must stand in them.</summary>
    public void Backward()
    {
        for (int i = _backward.Count - 1; i >= 0; i--)
        {
            (Action run, Variable? output) = _backward[i];
            run();
            output?.Dispose();
        }

        _backward.Clear();
    }

    public void Dispose()
    {
        _variables.ForEach(variable => variable.Dispose());
        _packedInput?.Dispose();
    }

    private static GradientSum Empty(Variable variable) => new(variable.Value, HasValue: false);

    // A variable that an operation is about to write.
    private Variable New(int rows, int columns, bool needsGradient) => Own(new Activations(rows, columns, kernels.Pool), needsGradient);

    private Variable Own(Activations value, bool needsGradient)
    {
        Variable variable = new(value, needsGradient && records, kernels.Pool);
        _variables.Add(variable);
        return variable;
    }

    // Products that follow one another often share an input: queries, keys and values, or gate and up, forward and backward.
    private ProductInput Input(Variable x)
    {
        if (_packed != x)
        {
            _packedInput?.Dispose();
            (_packed, _packedInput) = (x, new ProductInput(x.Value, kernels.Pool));
        }

        return _packedInput!;
    }

    private bool Needs(Parameter parameter) => records && parameter.IsTrainable;

    private void Record(Variable output, Action backward)
    {
        if (output.NeedsGradient)
        {
            _backward.Add((backward, output));
        }
    }

    // The last use of a gradient: it moves where it can.
    private void PassGradient(Variable from, Variable to)
    {
        if (to.NeedsGradient && !to.TakeGradient(from))
        {
            kernels.AddGathered(from.Gradient, null, to.GradientSum);
        }
    }
}
