using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <summary>A matrix that an operation computed, and where its gradient adds up.</summary>
/// <param name="value">The rows of one sequence.</param>
/// <param name="needsGradient">Whether anything trainable lies before it.</param>
internal sealed class Variable(Activations value, bool needsGradient) : IDisposable
{
    private Activations? _gradient;

    public Activations Value { get; } = value;

    public bool NeedsGradient { get; } = needsGradient;

    public int Rows => Value.Rows;

    public int Columns => Value.Columns;

    /// <summary>The gradient; zero at first.</summary>
    public Activations Gradient => _gradient ??= new Activations(Rows, Columns);

    /// <summary>The gradient where one is needed, else null.</summary>
    public Activations? GradientIfNeeded => NeedsGradient ? Gradient : null;

    /// <summary>Makes the value the gradient: an operation has put it there, in place.</summary>
    public void UseValueAsGradient() => _gradient = Value;

    public void Dispose()
    {
        Value.Dispose();
        _gradient?.Dispose();
    }
}
