namespace FlexKernel.Sampling;

/// <summary>Edits a vector of logits before anything is drawn from it, in the light of the ids so far.</summary>
internal interface ILogitProcessor
{
    /// <summary>Edits the logits in place; negative infinity bans an id.</summary>
    /// <param name="logits">The logits [vocabulary].</param>
    /// <param name="history">The ids of the prompt and those generated since.</param>
    void Apply(Span<float> logits, TokenHistory history);
}
