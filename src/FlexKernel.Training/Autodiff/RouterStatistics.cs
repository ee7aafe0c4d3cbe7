using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <summary>What the routers of a batch did: sums over its rows, in their order, in double.</summary>
/// <param name="layers">L.</param>
/// <param name="experts">E.</param>
internal sealed class RouterStatistics(int layers, int experts)
{
    private readonly long[,] _counts = new long[layers, experts];
    private readonly double[,] _probabilities = new double[layers, experts];

    /// <summary>Σ logsumexp(l)² over rows and layers.</summary>
    public double SquaredLogSumExp { get; private set; }

    public void Add(int layer, Activations probabilities, Activations weights, ReadOnlySpan<float> logSumExp)
    {
        for (int row = 0; row < probabilities.Rows; row++)
        {
            ReadOnlySpan<float> p = probabilities.Row(row), w = weights.Row(row);
            for (int e = 0; e < experts; e++)
            {
                _counts[layer, e] += w[e] > 0f ? 1 : 0;
                _probabilities[layer, e] += p[e];
            }

            SquaredLogSumExp += (double)logSumExp[row] * logSumExp[row];
        }
    }

    /// <summary>Rows of a layer that chose an expert.</summary>
    public long Count(int layer, int expert) => _counts[layer, expert];

    /// <summary><c>E/(T·k) · Σ_layers count · mean p</c> (model.md 9.3).</summary>
    public double LoadBalance(long rows, int active)
    {
        double sum = 0;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int e = 0; e < experts; e++)
            {
                sum += _counts[layer, e] * _probabilities[layer, e] / rows;
            }
        }

        return sum * experts / ((double)rows * active);
    }

    /// <summary><c>E · Σ_e f_e m_e</c> with shares of choices and mean probabilities over all layers (model.md 4.7).</summary>
    public double Auxiliary(long rows)
    {
        double sum = 0, all = (double)rows * layers;
        for (int e = 0; e < experts; e++)
        {
            double probability = 0;
            for (int layer = 0; layer < layers; layer++)
            {
                probability += _probabilities[layer, e];
            }

            sum += CountOfAllLayers(e) / all * (probability / all);
        }

        return experts * sum;
    }

    /// <summary>The factor of Σ_rows p_e in a layer's share of the loss, for each expert, the choices being constants.</summary>
    public float[] BalanceFactors(int layer, long rows, int active, LossWeights weights)
    {
        float[] factors = new float[experts];
        double all = (double)rows * layers;
        for (int e = 0; e < experts; e++)
        {
            factors[e] = (float)(weights.LoadBalance * experts * _counts[layer, e] / ((double)rows * active * rows)
                + weights.RouterAuxiliary * experts * CountOfAllLayers(e) / (all * all));
        }

        return factors;
    }

    private double CountOfAllLayers(int expert)
    {
        double count = 0;
        for (int layer = 0; layer < layers; layer++)
        {
            count += _counts[layer, expert];
        }

        return count;
    }
}
