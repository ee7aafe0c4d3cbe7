namespace FlexKernel.Sampling;

/// <summary>Adds biases to the last ids of sequences whose other ids end the history; several for one id add up.</summary>
internal sealed class BiasProcessor : ILogitProcessor
{
    private readonly (int[] Prefix, int Id, float Bias)[] _biases;

    /// <summary>Takes over the sequences.</summary>
    public BiasProcessor(IEnumerable<SequenceBias> biases) =>
        _biases = [.. biases.Select(b => (b.Ids.Take(b.Ids.Count - 1).ToArray(), b.Ids[^1], b.Bias))];

    /// <summary>Bans the completion of each word, save for a word that is a single end id: ending is not a word.</summary>
    public static BiasProcessor Ban(IEnumerable<IReadOnlyList<int>> words, IReadOnlyList<int> endIds) =>
        new(words.Where(w => w.Count > 1 || !endIds.Contains(w[0])).Select(w => new SequenceBias(w, float.NegativeInfinity)));

    /// <inheritdoc/>
    public void Apply(Span<float> logits, TokenHistory history)
    {
        foreach ((int[] prefix, int id, float bias) in _biases)
        {
            if (history.Ids.EndsWith(prefix))
            {
                logits[id] += bias;
            }
        }
    }
}
