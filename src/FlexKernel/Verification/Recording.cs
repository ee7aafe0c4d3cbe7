using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>Everything the reference stores of one sequence that runs in one pass.</summary>
/// <param name="length">Its tokens.</param>
internal sealed class Recording(int length) : IForwardObserver
{
    public int Length { get; } = length;

    public List<float> Logits { get; } = [];

    /// <summary>[layers + 2, length, hidden]: embedding, after each layer, after the final norm.</summary>
    public List<float> Hidden { get; } = [];

    public List<float> RouterLogits { get; } = [];

    public List<float> FeedForwardInput { get; } = [];

    public List<float> FeedForwardOutput { get; } = [];

    /// <summary>Chosen experts of each layer and row.</summary>
    public List<int[]> Experts { get; } = [];

    /// <summary>Their weights.</summary>
    public List<float[]> Weights { get; } = [];

    public bool Wants(ActivationKind kind) => true;

    public void OnActivations(ActivationKind kind, int layer, Activations activations, int rows)
    {
        List<float> destination = kind switch
        {
            ActivationKind.RouterLogits => RouterLogits,
            ActivationKind.FeedForwardInput => FeedForwardInput,
            ActivationKind.FeedForwardOutput => FeedForwardOutput,
            _ => Hidden,
        };
        for (int row = 0; row < rows; row++)
        {
            destination.AddRange(activations.Row(row));
        }
    }

    public void OnRouting(int layer, RoutingTable routing, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            Experts.Add(routing.Experts(row).ToArray());
            Weights.Add(routing.Weights(row).ToArray());
        }
    }
}
