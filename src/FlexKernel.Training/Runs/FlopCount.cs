using FlexKernel.Model;

namespace FlexKernel.Training.Runs;

/// <summary>The floating-point operations that training needs per token; what is computed twice to save memory counts once.</summary>
/// <remarks>
/// A product with a matrix of n weights takes 2n forward, 2n for the gradient of its input if anything before it trains, and 2n for its own if it
/// trains. Causal attention over T positions takes <c>2 T Hq D</c> per layer forward and twice that backward. An expert counts for the share of
/// tokens that use it, taken as k/E; the base of low-rank ones counts once.
/// </remarks>
internal static class FlopCount
{
    /// <summary>Counts the operations per token of a step.</summary>
    /// <param name="model">The model, with what is frozen.</param>
    /// <param name="window">Ids per sequence, T.</param>
    public static double PerToken(TrainableModel model, int window)
    {
        ModelDescription description = model.Description;
        double total = 0;
        bool gradientFlows = model.Slots[new TensorSlot(TensorRole.Embedding)].IsTrainable;
        foreach (IGrouping<int, KeyValuePair<TensorSlot, Parameter>> layer in model.Slots.All
            .Where(slot => slot.Value.Shape.Length == 2 && slot.Key.Role != TensorRole.Embedding)
            .GroupBy(slot => slot.Key.Role == TensorRole.Head ? int.MaxValue : slot.Key.Layer)
            .OrderBy(group => group.Key))
        {
            foreach (var part in layer.GroupBy(slot => Place(slot.Key.Role)).OrderBy(group => group.Key))
            {
                bool trains = part.Any(slot => slot.Value.IsTrainable);
                foreach ((TensorSlot slot, Parameter parameter) in part)
                {
                    double weights = (double)parameter.Rows * parameter.Columns * Share(description, slot);
                    total += weights * (2 + (gradientFlows ? 2 : 0) + (parameter.IsTrainable ? 2 : 0));
                }

                gradientFlows |= trains;
                if (part.Key == 0)
                {
                    total += 2.0 * window * description.QueryWidth * (gradientFlows ? 3 : 1);
                }
            }
        }

        return total;
    }

    // The order in which a layer's products depend on one another.
    private static int Place(TensorRole role) => role switch
    {
        TensorRole.Query or TensorRole.Key or TensorRole.Value => 0,
        TensorRole.Output => 1,
        TensorRole.Down or TensorRole.DownA => 3,
        TensorRole.DownB => 4,
        _ => 2,
    };

    private static double Share(ModelDescription description, TensorSlot slot)
    {
        if (slot.Expert == TensorSlot.None || description.Mixture is not { } mixture)
        {
            return 1;
        }

        int users = slot.Role is TensorRole.Gate or TensorRole.Up or TensorRole.Down ? mixture.Experts.Count(expert => expert.Root == slot.Expert) : 1;
        return Math.Min(1, users * (double)mixture.ActiveExperts / mixture.Count);
    }
}
