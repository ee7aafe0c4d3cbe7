namespace FlexKernel.Kernels;

/// <summary>Chooses experts: softmax over the allowed experts' logits, then the k largest, ties to the lowest index.</summary>
internal static unsafe class Router
{
    /// <summary>Routes one row.</summary>
    /// <param name="logits">One per expert.</param>
    /// <param name="allowed">The experts seen, ascending; their logits are compacted, so absent experts leave no trace in any sum.</param>
    /// <param name="activeExperts">k.</param>
    /// <param name="renormalise">Whether the chosen weights are divided by their sum.</param>
    /// <param name="destination">Receives the choice.</param>
    /// <param name="row">The row of <paramref name="destination"/>.</param>
    public static void Route<TLanes>(
        ReadOnlySpan<float> logits, ReadOnlySpan<int> allowed, int activeExperts, bool renormalise, RoutingTable destination, int row)
        where TLanes : struct, ILanes<TLanes>
    {
        int count = allowed.Length;
        float* probabilities = stackalloc float[count];
        for (int i = 0; i < count; i++)
        {
            probabilities[i] = logits[allowed[i]];
        }

        float sum = Vectors.ExpAndSum<TLanes>(probabilities, count, Vectors.Max<TLanes>(probabilities, count));
        for (int i = 0; i < count; i++)
        {
            probabilities[i] /= sum;
        }

        int active = Math.Min(activeExperts, count);
        Span<bool> chosen = stackalloc bool[count];
        for (int n = 0; n < active; n++)
        {
            chosen[LargestLeft(probabilities, chosen)] = true;
        }

        Span<int> experts = stackalloc int[active];
        Span<float> weights = stackalloc float[active];
        float chosenSum = 0;
        for (int i = 0, n = 0; i < count; i++)
        {
            if (chosen[i])
            {
                experts[n] = allowed[i];
                weights[n++] = probabilities[i];
                chosenSum += probabilities[i];
            }
        }

        if (renormalise)
        {
            for (int n = 0; n < active; n++)
            {
                weights[n] /= chosenSum;
            }
        }

        destination.Set(row, experts, weights);
    }

    // NaN compares false: with only NaN left the lowest index is taken, so a broken row cannot break the batch.
    internal static int LargestLeft(float* probabilities, ReadOnlySpan<bool> chosen)
    {
        int best = -1;
        for (int i = 0; i < chosen.Length; i++)
        {
            if (!chosen[i] && (best < 0 || probabilities[i] > probabilities[best]))
            {
                best = i;
            }
        }

        return best;
    }
}
