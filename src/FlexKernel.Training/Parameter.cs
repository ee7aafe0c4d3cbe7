using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Kernels;

namespace FlexKernel.Training;

/// <summary>A tensor of a model with its float32 master values and its gradient.</summary>
/// <remarks>Vectors are one row. Gradients add up until they are cleared.</remarks>
public sealed class Parameter : IDisposable
{
    // Who trains a parameter of no model: the calling thread alone.
    private static readonly Lazy<TrainingKernels> OneThread = new(() => TrainingKernels.Create(KernelPaths.Default, threads: 1));

    private Activations? _gradient;
    private PackedMatrix? _packed;
    private PackedMatrix? _packedTransposed;
    private bool _isPacked;
    private bool _hasGradient;
    private bool _isPackedTransposed;
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
        Value = new Activations((int)rows, (int)columns);
        CopyFrom(values);
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
    public int Rows => Value.Rows;

    /// <summary>Values per row.</summary>
    public int Columns => Value.Columns;

    /// <summary>The values [rows, columns]; whoever writes them calls <see cref="MarkChanged"/>.</summary>
    internal Activations Value { get; }

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
    public float[] ToArray() => Copy(Value);

    /// <summary>Reads the gradient in row-major order; all zero when nothing was added.</summary>
    public float[] GradientToArray() => _hasGradient ? Copy(_gradient!) : new float[Rows * Columns];

    /// <summary>The SHA-256 of the values as little-endian float32 in row-major order, in lower-case hexadecimal: what proves that a frozen
    /// parameter did not change.</summary>
    public string ComputeSha256() => ComputeSha256(Range.All);

    /// <summary>The SHA-256 of some rows.</summary>
    /// <param name="rows">The rows.</param>
    public string ComputeSha256(Range rows)
    {
        (int first, int count) = rows.GetOffsetAndLength(Rows);
        return Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(ToArray().AsSpan(first * Columns, count * Columns))));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Value.Dispose();
        _gradient?.Dispose();
        _packed?.Dispose();
        _packedTransposed?.Dispose();
    }

    /// <summary>The values packed for <c>x Wᵀ</c>, until they change.</summary>
    internal PackedMatrix Packed(TrainingKernels kernels)
    {
        _packed ??= new PackedMatrix(Rows, Columns, WeightFormat.F32);
        if (!_isPacked)
        {
            kernels.Pack(Value, _packed);
            _isPacked = true;
        }

        return _packed;
    }

    /// <summary>The transpose packed for <c>dy W</c>, until the values change.</summary>
    internal PackedMatrix PackedTransposed(TrainingKernels kernels)
    {
        _packedTransposed ??= new PackedMatrix(Columns, Rows, WeightFormat.F32);
        if (!_isPackedTransposed)
        {
            kernels.PackTransposed(Value, _packedTransposed);
            _isPackedTransposed = true;
        }

        return _packedTransposed;
    }

    /// <summary>Overwrites the values.</summary>
    /// <param name="values">As many, in row-major order.</param>
    internal void CopyFrom(ReadOnlySpan<float> values)
    {
        for (int row = 0; row < Rows; row++)
        {
            values.Slice(row * Columns, Columns).CopyTo(Value.Row(row));
        }

        MarkChanged();
    }

    internal void MarkChanged() => (_isPacked, _isPackedTransposed) = (false, false);

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

    private static float[] Copy(Activations matrix)
    {
        float[] copy = new float[matrix.Rows * matrix.Columns];
        for (int row = 0; row < matrix.Rows; row++)
        {
            matrix.Row(row).CopyTo(copy.AsSpan(row * matrix.Columns));
        }

        return copy;
    }
}
