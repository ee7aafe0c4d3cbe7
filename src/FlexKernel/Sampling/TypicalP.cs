namespace FlexKernel.Sampling;

/// <summary>
/// Keeps the ids whose surprise is nearest to the entropy until their probability reaches a mass, with all that tie with the last.
/// </summary>
internal sealed class TypicalP(double mass, int minimum) : ICandidateFilter
{
    /// <inheritdoc/>
    public void Apply(Candidates candidates)
    {
        // Surprise minus entropy is (log-sum-exp - logit) - entropy.
        DistanceKey order = new(candidates.LogSumExp() - candidates.Entropy());
        candidates.KeepMass(order, mass * candidates.SumWeights(), minimum, allTies: true);
    }
}
