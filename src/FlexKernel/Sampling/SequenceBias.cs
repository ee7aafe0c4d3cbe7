namespace FlexKernel.Sampling;

/// <summary>A bias for a sequence of ids: added to the logit of its last id whenever the ids so far end with all the others.</summary>
/// <param name="Ids">The sequence; at least one id.</param>
/// <param name="Bias">What is added; finite, or negative infinity to ban the completion.</param>
public sealed record SequenceBias(IReadOnlyList<int> Ids, float Bias);
