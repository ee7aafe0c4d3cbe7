using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <summary>A matrix that an operation computed, and where its gradient adds up.</summary>
/// <param name="value">The rows of one sequence.</param>
/// <param name="needsGradient">Whether anything trainable lies before it.</param>
/// <param name="pool">Where the gradient takes its memory.</param>
internal sealed class Variable(Activations value, bool needsGradient, NativeMemoryPool pool) : IDisposable
{
    private Activations? _gradient;

    public Activations Value { get; } = value;

    public bool NeedsGradient { get; } = needsGradient;

    public int Rows => Value.Rows;

    public int Columns => Value.Columns;

    /// <summary>The gradient; zero at first.</summary>
    public Activations Gradient => _gradient ??= Tape.ZeroMatrix(Rows, Columns, pool);

    /// <summary>Where an operation adds a gradient; whoever asks for it does so.</summary>
    public GradientSum GradientSum
    {
        get
        {
            bool hasValue = _gradient is not null;
            return new GradientSum(_gradient ??= new Activations(Rows, Columns, pool), hasValue);
        }
    }

    /// <summary>Where an operation adds a gradient if one is needed, else null.</summary>
    public GradientSum? GradientSumIfNeeded => NeedsGradient ? GradientSum : null;

    /// <summary>Makes the value the gradient: an operation has put it there, in place.</summary>
    public void UseValueAsGradient() => _gradient = Value;

    /// <summary>Takes over the gradient of another variable, which ends there, unless this one has a gradient already.</summary>
    public bool TakeGradient(Variable other)
    {
        if (_gradient is not null)
        {
            return false;
        }

        (_gradient, other._gradient) = (other.Gradient, null);
        return true;
    }

    public void Dispose()
    {
        Value.Dispose();
        _gradient?.Dispose();
    }
}
