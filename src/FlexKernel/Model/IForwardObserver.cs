using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>What an observer can look at during a forward pass.</summary>
public enum ActivationKind
{
    /// <summary>The embedding of each row.</summary>
    Embedding,

    /// <summary>What the router and the experts (or the dense network) read.</summary>
    FeedForwardInput,

    /// <summary>Router logits of all experts, before the softmax.</summary>
    RouterLogits,

    /// <summary>The output of the mixture, before any norm.</summary>
    FeedForwardOutput,

    /// <summary>The residual stream after a layer.</summary>
    LayerOutput,

    /// <summary>The residual stream after the final norm, for every row.</summary>
    FinalNorm,
}

/// <summary>Watches a forward pass. Without an observer nothing is read back and nothing is spent.</summary>
public interface IForwardObserver
{
    /// <summary>Whether <see cref="OnActivations"/> is to be called for a kind.</summary>
    bool Wants(ActivationKind kind);

    /// <summary>Shows activations [rows, columns]; valid during the call.</summary>
    /// <param name="kind">What they are.</param>
    /// <param name="layer">The layer, or -1 outside the layers.</param>
    /// <param name="activations">The values.</param>
    /// <param name="rows">How many rows of them are in use, in the order of the batch.</param>
    void OnActivations(ActivationKind kind, int layer, Activations activations, int rows);

    /// <summary>Shows the router's choice of one layer.</summary>
    void OnRouting(int layer, RoutingTable routing, int rows);
}
