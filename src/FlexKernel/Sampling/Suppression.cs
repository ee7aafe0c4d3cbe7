namespace FlexKernel.Sampling;

/// <summary>Bans ids until a number of ids has been generated; for ever when that number is <see cref="int.MaxValue"/>.</summary>
internal sealed class Suppression(IEnumerable<int> ids, int untilGenerated) : ILogitProcessor
{
    private readonly int[] _ids = [.. ids];

    /// <inheritdoc/>
    public void Apply(Span<float> logits, TokenHistory history)
    {
        if (history.Count - history.PromptLength < untilGenerated)
        {
            foreach (int id in _ids)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }
}
