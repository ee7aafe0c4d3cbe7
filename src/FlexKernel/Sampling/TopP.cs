namespace FlexKernel.Sampling;

/// <summary>
/// Keeps the most probable ids until their probability reaches p, with the id that crosses it; of equal ones the lowest ids.
/// </summary>
internal sealed class TopP(double p, int minimum) : ICandidateFilter
{
    /// <inheritdoc/>
    public void Apply(Candidates candidates)
    {
        double total = candidates.SumWeights();

        // n ids of less than (1 - p) / n each sum to less than 1 - p, so all are beyond the crossing: most of a vocabulary goes at once.
        double negligible = (1 - p) * total / candidates.Count;
        candidates.KeepAtLeast(candidates.WeightShift + PortableMath.Log(negligible), minimum);

        candidates.KeepMass(default(DescendingKey), p * total, minimum, allTies: false);
    }
}
