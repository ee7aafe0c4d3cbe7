using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Generation;

/// <summary>One choice of the router.</summary>
/// <param name="Position">The token's position in its sequence.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Expert">The expert's index.</param>
/// <param name="Weight">Its routing weight.</param>
public readonly record struct RoutingChoice(int Position, int Layer, int Expert, float Weight);

/// <summary>Records which experts processed each token of one sequence, layer by layer.</summary>
public sealed class RoutingTrace : IForwardObserver
{
    private readonly List<RoutingChoice> _choices = [];
    private int _firstPosition;

    /// <summary>Everything recorded: forward passes in order, in each layer after layer, in each row after row.</summary>
    public IReadOnlyList<RoutingChoice> Choices => _choices;

    /// <summary>The mean routing weight of each expert over layers and the tokens at some positions.</summary>
    /// <param name="experts">Experts of the model.</param>
    /// <param name="firstPosition">First position counted.</param>
    /// <param name="endPosition">Position after the last.</param>
    public double[] MeanWeights(int experts, int firstPosition, int endPosition)
    {
        double[] sums = new double[experts];
        HashSet<(int, int)> rows = [];
        foreach (RoutingChoice choice in _choices)
        {
            if (choice.Position >= firstPosition && choice.Position < endPosition)
            {
                sums[choice.Expert] += choice.Weight;
                rows.Add((choice.Position, choice.Layer));
            }
        }

        return Array.ConvertAll(sums, sum => rows.Count == 0 ? 0 : sum / rows.Count);
    }

    /// <inheritdoc/>
    public bool Wants(ActivationKind kind) => false;

    /// <inheritdoc/>
    public void OnActivations(ActivationKind kind, int layer, Activations activations, int rows)
    {
    }

    /// <inheritdoc/>
    public void OnRouting(int layer, RoutingTable routing, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<int> experts = routing.Experts(row);
            for (int i = 0; i < experts.Length; i++)
            {
                _choices.Add(new RoutingChoice(_firstPosition + row, layer, experts[i], routing.Weights(row)[i]));
            }
        }
    }

    internal void BeginPass(int firstPosition) => _firstPosition = firstPosition;
}
