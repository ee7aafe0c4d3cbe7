namespace FlexKernel.Sampling;

/// <summary>Bans every id that would complete a run of <paramref name="size"/> ids which the history already contains.</summary>
internal sealed class NoRepeatNgram(int size) : ILogitProcessor
{
    /// <inheritdoc/>
    public void Apply(Span<float> logits, TokenHistory history)
    {
        ReadOnlySpan<int> ids = history.Ids;
        int prefixLength = size - 1;
        if (ids.Length < size)
        {
            return;
        }

        ReadOnlySpan<int> prefix = ids[^prefixLength..];
        for (int start = 0; start + prefixLength < ids.Length; start++)
        {
            int found = ids[start..^1].IndexOf(prefix);
            if (found < 0)
            {
                return;
            }

            start += found;
            int id = ids[start + prefixLength];
            if ((uint)id < (uint)logits.Length)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }
}
