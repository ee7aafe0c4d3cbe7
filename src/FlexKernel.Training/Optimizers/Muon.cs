using FlexKernel.Kernels;

namespace FlexKernel.Training.Optimizers;

/// <summary>How <see cref="Muon"/> scales the step of a matrix.</summary>
public enum MuonScale
{
    /// <summary><c>√max(1, rows/columns)</c>.</summary>
    Original,

    /// <summary><c>0.2 √max(rows, columns)</c>: the root mean square of an AdamW step, so that one rate serves both.</summary>
    MatchAdamW,
}

/// <summary>
/// Muon: the momentum <c>m ← μ m + (1 − μ) g</c> made nearly orthogonal by five Newton-Schulz steps
/// <c>A = X Xᵀ; X ← a X + (b A + c A²) X</c>, then <c>w ← w(1 − lr λ) − lr · scale · X</c>. For matrices only.
/// </summary>
/// <remarks>X starts as the momentum, with Nesterov <c>(1 − μ) g + μ m</c>, over its Frobenius norm; a tall matrix is transposed. In float32.</remarks>
public sealed class Muon : Optimizer
{
    private const int Steps = 5;
    private const float A = 3.4445f, B = -4.775f, C = 2.0315f;

    private readonly TrainingKernels _kernels;
    private readonly double _momentum;
    private readonly bool _nesterov;
    private readonly MuonScale _scale;
    private readonly double _epsilon;

    /// <summary>Creates the rule.</summary>
    /// <param name="model">The model whose matrices move; it lends its threads.</param>
    /// <param name="momentum">μ, below 1.</param>
    /// <param name="nesterov">Whether the step looks ahead.</param>
    /// <param name="scale">How the step is scaled.</param>
    /// <param name="epsilon">The least norm divided by, positive.</param>
    public Muon(TrainableModel model, double momentum = 0.95, bool nesterov = true, MuonScale scale = MuonScale.Original, double epsilon = 1e-7)
        : this((model ?? throw new ArgumentNullException(nameof(model))).Kernels, momentum, nesterov, scale, epsilon)
    {
    }

    internal Muon(TrainingKernels kernels, double momentum, bool nesterov, MuonScale scale, double epsilon) =>
        (_kernels, _momentum, _nesterov, _scale, _epsilon) = (kernels, momentum, nesterov, scale, epsilon);

    private protected override IEnumerable<OptimizerState> NewStates(Parameter parameter) =>
        [OptimizerState.Zeros("momentum", parameter.Rows * parameter.Columns)];

    private protected override void Move(Parameter parameter, int step, double rate, float keep)
    {
        RequireAllRows(parameter, nameof(Muon));
        if (parameter.Shape.Length != 2)
        {
            throw new ArgumentException($"Muon moves matrices; '{parameter.Name}' is a vector.", nameof(parameter));
        }

        int rows = parameter.Rows, columns = parameter.Columns;
        bool isTall = rows > columns;
        using Activations direction = new(Math.Min(rows, columns), Math.Max(rows, columns));
        Blend(parameter, direction, isTall);
        Normalise(direction);
        Orthogonalise(direction);

        double factor = _scale == MuonScale.Original ? Math.Sqrt(Math.Max(1.0, (double)rows / columns)) : 0.2 * Math.Sqrt(Math.Max(rows, columns));
        float size = (float)(rate * factor);
        for (int row = 0; row < rows; row++)
        {
            Span<float> w = parameter.Value.Row(row);
            for (int i = 0; i < columns; i++)
            {
                w[i] = MathF.FusedMultiplyAdd(w[i], keep, -size * (isTall ? direction.Row(i)[row] : direction.Row(row)[i]));
            }
        }
    }

    private void Blend(Parameter parameter, Activations direction, bool isTall)
    {
        float[] momentum = States(parameter)[0].Values;
        float mu = (float)_momentum, rest = (float)(1 - _momentum);
        for (int row = 0; row < parameter.Rows; row++)
        {
            Span<float> m = momentum.AsSpan(row * parameter.Columns, parameter.Columns), g = parameter.Gradient.Row(row);
            for (int i = 0; i < m.Length; i++)
            {
                m[i] = mu * m[i] + rest * g[i];
                float value = _nesterov ? rest * g[i] + mu * m[i] : m[i];
                (isTall ? direction.Row(i).Slice(row, 1) : direction.Row(row).Slice(i, 1))[0] = value;
            }
        }
    }

    private void Normalise(Activations x)
    {
        double sum = 0;
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (float value in x.Row(row))
            {
                sum += (double)value * value;
            }
        }

        float factor = (float)(1 / Math.Max(Math.Sqrt(sum), _epsilon));
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (ref float value in x.Row(row))
            {
                value *= factor;
            }
        }
    }

    private void Orthogonalise(Activations x)
    {
        using Activations gram = new(x.Rows, x.Rows), mixed = new(x.Rows, x.Rows), next = new(x.Rows, x.Columns);
        for (int n = 0; n < Steps; n++)
        {
            using (PackedMatrix packed = _kernels.Pack(x))
            {
                _kernels.Multiply(x, packed, gram, add: false);
            }

            // A is symmetric, so A Aᵀ is A².
            using (PackedMatrix packed = _kernels.Pack(gram))
            {
                _kernels.Multiply(gram, packed, mixed, add: false);
            }

            for (int row = 0; row < x.Rows; row++)
            {
                Span<float> square = mixed.Row(row), first = gram.Row(row);
                for (int i = 0; i < square.Length; i++)
                {
                    square[i] = B * first[i] + C * square[i] + (i == row ? A : 0f);
                }
            }

            using (PackedMatrix packed = _kernels.PackTransposed(x))
            {
                _kernels.Multiply(mixed, packed, next, add: false);
            }

            for (int row = 0; row < x.Rows; row++)
            {
                next.Row(row).CopyTo(x.Row(row));
            }
        }
    }
}
