namespace FlexKernel.Sampling;

/// <summary>
/// Makes every id of the history less likely (or more, below 1): a negative logit is multiplied by the penalty, any other divided.
/// </summary>
internal sealed class RepetitionPenalty(float penalty, TokenCounts counts) : ILogitProcessor
{
    /// <inheritdoc/>
    public void Apply(Span<float> logits, TokenHistory history)
    {
        counts.CatchUp(history);
        foreach (int id in counts.Distinct)
        {
            logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
        }
    }

    /// <inheritdoc/>
    public void Rewind(TokenHistory history, int count) => counts.Rewind(history, count);
}
