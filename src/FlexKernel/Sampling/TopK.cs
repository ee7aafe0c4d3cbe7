namespace FlexKernel.Sampling;

/// <summary>Keeps the k largest logits and whatever equals the k-th.</summary>
internal sealed class TopK(int k, int minimum) : ICandidateFilter
{
    /// <inheritdoc/>
    public void Apply(Candidates candidates) => candidates.KeepAtLeast(candidates.Largest(Math.Max(k, minimum)), 1);
}
