namespace FlexKernel.Training.Optimizers;

/// <summary>
/// Adafactor: the mean squares of a matrix as the product of their row and column means, a step relative to the size of the weights, clipped by its
/// root mean square (arXiv:1804.04235).
/// </summary>
/// <remarks>
/// With <c>ω = s^decay</c>, <c>ρ = min(lr, 1/√s)</c>, <c>α = max(ε2, RMS(w)) ρ</c> from w before its decay: the row and column means R and C of g² are
/// moved by ω, <c>V = R C / max(mean R, ε1)</c>; vectors keep V itself. <c>U = g / √max(V, ε1²)</c>, <c>w ← w − α U / max(1, RMS(U)/d)</c>.
/// </remarks>
/// <param name="decay">The exponent of the step in ω, negative.</param>
/// <param name="epsilon1">ε1, positive; 2^-23 by default.</param>
/// <param name="epsilon2">ε2, the least size of weights.</param>
/// <param name="threshold">d, the largest root mean square of a step that is not clipped.</param>
public sealed class Adafactor(double decay = -0.8, double epsilon1 = 1.1920928955078125e-07, double epsilon2 = 1e-3, double threshold = 1) : Optimizer
{
    private protected override IEnumerable<OptimizerState> NewStates(Parameter parameter)
    {
        yield return OptimizerState.Zeros("rows", parameter.Shape.Length == 2 ? parameter.Rows : 0);
        yield return OptimizerState.Zeros("columns", parameter.Columns);
    }

    private protected override void Move(Parameter parameter, int step, double rate, float keep)
    {
        RequireAllRows(parameter, nameof(Adafactor));
        bool isMatrix = parameter.Shape.Length == 2;
        IReadOnlyList<OptimizerState> states = States(parameter);
        float[] rowMeans = states[0].Values, columnMeans = states[1].Values;
        float omega = (float)Math.Pow(step, decay);
        MoveMeans(parameter, rowMeans, columnMeans, omega);
        double rowMean = isMatrix ? Math.Max(rowMeans.Average(value => (double)value), epsilon1) : 1;
        double alpha = Math.Max(epsilon2, RootMeanSquare(parameter.ToArray())) * Math.Min(rate, 1 / Math.Sqrt(step));

        float[] update = new float[parameter.Rows * parameter.Columns];
        float least = (float)(epsilon1 * epsilon1);
        for (int row = 0; row < parameter.Rows; row++)
        {
            Span<float> u = update.AsSpan(row * parameter.Columns, parameter.Columns), g = parameter.Gradient.Row(row);
            float share = isMatrix ? (float)(rowMeans[row] / rowMean) : 1f;
            for (int i = 0; i < u.Length; i++)
            {
                u[i] = g[i] / MathF.Sqrt(MathF.Max(share * columnMeans[i], least));
            }
        }

        float size = (float)(alpha / Math.Max(1, RootMeanSquare(update) / threshold));
        for (int row = 0; row < parameter.Rows; row++)
        {
            Span<float> w = parameter.Value.Row(row), u = update.AsSpan(row * parameter.Columns, parameter.Columns);
            for (int i = 0; i < w.Length; i++)
            {
                w[i] = MathF.FusedMultiplyAdd(w[i], keep, -size * u[i]);
            }
        }
    }

    private static void MoveMeans(Parameter parameter, float[] rows, float[] columns, float omega)
    {
        double[] columnSums = new double[parameter.Columns];
        for (int row = 0; row < parameter.Rows; row++)
        {
            ReadOnlySpan<float> g = parameter.Gradient.Row(row);
            double sum = 0;
            for (int i = 0; i < g.Length; i++)
            {
                double square = (double)g[i] * g[i];
                sum += square;
                columnSums[i] += square;
            }

            if (rows.Length > 0)
            {
                rows[row] += omega * ((float)(sum / g.Length) - rows[row]);
            }
        }

        for (int i = 0; i < columns.Length; i++)
        {
            columns[i] += omega * ((float)(columnSums[i] / parameter.Rows) - columns[i]);
        }
    }

    private static double RootMeanSquare(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += (double)value * value;
        }

        return Math.Sqrt(sum / values.Length);
    }
}
