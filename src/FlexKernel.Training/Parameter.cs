using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Kernels;

namespace FlexKernel.Training;

/// <summary>A tensor of a model with its values and its gradient.</summary>
/// <remarks>Vectors are one row. Gradients add up until they are cleared.</remarks>
public sealed class Parameter : IDisposable
{
    // Who trains a parameter of no model: the calling thread alone.
    private static readonly Lazy<TrainingKernels> OneThread = new(() => TrainingKernels.Create(KernelPaths.Default, threads: 1));

    private Activations? _gradient;
    private bool _hasGradient;
    private Range _trainableRows = Range.All;

    /// <summary>Creates a parameter.</summary>
    /// <param name="name">The name in checkpoints.</param>
    /// <param name="shape">The dimensions, outer first; one or two.</param>
    /// <param name="values">The values in row-major order.</param>
    /// <exception cref="ArgumentException">The shape has other dimensions, or does not fit the values.</exception>
    public Parameter(string name, ImmutableArray<long> shape, ReadOnlySpan<float> values)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        long rows = shape.Length == 2 ? shape[0] : 1, columns = shape.Length is 1 or 2 ? shape[^1] : 0;
        if (rows <= 0 || columns <= 0 || rows > int.MaxValue / columns || rows * columns != values.Length)
        {
            throw new ArgumentException($"Parameter '{name}' has {values.Length} values, expected those of [{string.Join(", ", shape)}].", nameof(shape));
        }

        Name = name;
        Shape = shape;
        Values = new ParameterValues((int)rows, (int)columns);
        CopyFrom(values);
    }

    /// <summary>Creates a matrix from what a file stores.</summary>
    /// <param name="name">The name in checkpoints.</param>
    /// <param name="stored">F32 or BF16; owned by the parameter from now on.</param>
    internal Parameter(string name, PackedMatrix stored)
    {
        Name = name;
        Shape = [stored.Rows, stored.Columns];
        Values = new ParameterValues(stored);
    }

    /// <summary>The name in checkpoints.</summary>
    public string Name { get; }

    /// <summary>The dimensions, outer first.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>True when training changes it. Default: true. Frozen parameters cost no gradient.</summary>
    public bool IsTrainable { get; set; } = true;

    /// <summary>The rows that training changes; the others get no gradient and no decay. Default: all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the rows.</exception>
    public Range TrainableRows
    {
        get => _trainableRows;
        set
        {
            _ = value.GetOffsetAndLength(Rows);
            _trainableRows = value;
        }
    }

    /// <summary>Rows; 1 for a vector.</summary>
    public int Rows => Values.Rows;

    /// <summary>Values per row.</summary>
    public int Columns => Values.Columns;

    /// <summary>The values in all forms.</summary>
    internal ParameterValues Values { get; }

    /// <summary>The float32 values [rows, columns], for whoever changes them and then calls <see cref="MarkChanged"/>; to read, see <see cref="Values"/>.</summary>
    internal Activations Value => Values.Master;

    /// <summary>The gradient [rows, columns]; zero until something is added.</summary>
    internal Activations Gradient
    {
        get
        {
            GradientSum sum = GradientSum;
            for (int row = 0; row < Rows && !sum.HasValue; row++)
            {
                sum.Matrix.Row(row).Clear();
            }

            return sum.Matrix;
        }
    }

    /// <summary>Where an operation adds a gradient; whoever asks for it does so.</summary>
    internal GradientSum GradientSum
    {
        get
        {
            GradientSum sum = new(_gradient ??= new Activations(Rows, Columns), _hasGradient);
            _hasGradient = true;
            return sum;
        }
    }

    /// <summary>The threads that work on it: those of its model.</summary>
    internal TrainingKernels Kernels
    {
        get => field ?? OneThread.Value;
        set;
    }

    /// <summary>Reads the values in row-major order.</summary>
    public float[] ToArray() => Copy(Values.ReadRow);

    /// <summary>Reads the gradient in row-major order; all zero when nothing was added.</summary>
    public float[] GradientToArray() => _hasGradient ? Copy((row, destination) => _gradient!.Row(row).CopyTo(destination)) : new float[Rows * Columns];

    /// <summary>The SHA-256 of the values as little-endian float32 in row-major order, in lower-case hexadecimal: what proves that a frozen
    /// parameter did not change.</summary>
    public string ComputeSha256() => ComputeSha256(Range.All);

    /// <summary>The SHA-256 of some rows.</summary>
    /// <param name="rows">The rows.</param>
    public string ComputeSha256(Range rows)
    {
        (int first, int count) = rows.GetOffsetAndLength(Rows);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] values = new float[Columns];
        for (int row = first; row < first + count; row++)
        {
            Values.ReadRow(row, values);
            hash.AppendData(MemoryMarshal.AsBytes(values.AsSpan()));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        _gradient?.Dispose();
    }

    /// <summary>Overwrites the values.</summary>
    /// <param name="values">As many, in row-major order.</param>
    internal void CopyFrom(ReadOnlySpan<float> values) => Values.Overwrite(values);

    internal void MarkChanged() => Values.MarkChanged();

    /// <summary>Zeroes the gradient.</summary>
    internal void ClearGradient() => _hasGradient = false;

    /// <summary>Zeroes the gradient of the rows that do not train.</summary>
    internal void MaskGradient()
    {
        (int first, int count) = _trainableRows.GetOffsetAndLength(Rows);
        for (int row = 0; row < Rows && _hasGradient && count < Rows; row++)
        {
            if (row < first || row >= first + count)
            {
                _gradient!.Row(row).Clear();
            }
        }
    }

    private float[] Copy(Action<int, Span<float>> readRow)
    {
        float[] copy = new float[Rows * Columns];
        for (int row = 0; row < Rows; row++)
        {
            readRow(row, copy.AsSpan(row * Columns, Columns));
        }

        return copy;
    }
}
