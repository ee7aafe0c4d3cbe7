namespace FlexKernel.Sampling;

/// <summary>Edits a vector of logits before anything is drawn from it, in the light of the ids so far.</summary>
internal interface ILogitProcessor
{
    /// <summary>Edits the logits in place; negative infinity bans an id.</summary>
    /// <param name="logits">The logits [vocabulary].</param>
    /// <param name="history">The ids of the prompt and those generated since.</param>
    void Apply(Span<float> logits, TokenHistory history);

    /// <summary>Forgets what was learned from the last ids of a history, which is about to lose them.</summary>
    /// <param name="history">The history, still with these ids.</param>
    /// <param name="count">How many ids stay.</param>
    void Rewind(TokenHistory history, int count)
    {
    }
}
