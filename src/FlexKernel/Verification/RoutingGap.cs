using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>How close the router came to another choice: the smallest difference between the last chosen and the first not chosen.</summary>
/// <param name="active">Experts chosen per token.</param>
internal sealed class RoutingGap(int active) : IForwardObserver
{
    private double _smallest = double.PositiveInfinity;

    /// <summary>The smallest gap between router logits for the tokens of a sequence, on any layer; infinite where all experts run.</summary>
    public static double Of(LanguageModel model, ReadOnlySpan<int> tokens)
    {
        if (model.Description.Mixture is not { } mixture || mixture.ActiveExperts >= mixture.Count)
        {
            return double.PositiveInfinity;
        }

        RoutingGap gap = new(mixture.ActiveExperts);
        lock (model.Gate)
        {
            using ForwardBatch batch = model.Transformer.CreateBatch();
            using Sequence sequence = model.Transformer.StartSequence();
            while (!tokens.IsEmpty)
            {
                int piece = Math.Min(tokens.Length, batch.Capacity);
                batch.Clear();
                batch.Add(sequence, tokens[..piece], LogitRows.None);
                model.Transformer.Forward(batch, gap);
                tokens = tokens[piece..];
            }
        }

        return gap._smallest;
    }

    public bool Wants(ActivationKind kind) => kind == ActivationKind.RouterLogits;

    public void OnActivations(ActivationKind kind, int layer, Activations activations, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            float[] descending = [.. activations.Row(row).ToArray().OrderDescending()];
            _smallest = Math.Min(_smallest, descending[active - 1] - descending[active]);
        }
    }

    public void OnRouting(int layer, RoutingTable routing, int rows)
    {
    }
}
