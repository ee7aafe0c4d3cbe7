namespace FlexKernel.Sampling;

/// <summary>Takes from the logit of each counted id an amount per occurrence (frequency) and an amount once (presence).</summary>
internal sealed class FrequencyPenalty(float frequency, float presence, TokenCounts counts) : ILogitProcessor
{
    /// <inheritdoc/>
    public void Apply(Span<float> logits, TokenHistory history)
    {
        counts.CatchUp(history);
        foreach (int id in counts.Distinct)
        {
            logits[id] -= frequency * counts[id];
            logits[id] -= presence;
        }
    }

    /// <inheritdoc/>
    public void Rewind(TokenHistory history, int count) => counts.Rewind(history, count);
}
