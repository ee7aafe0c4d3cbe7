namespace FlexKernel.Sampling;

/// <summary>How often each id occurs in a history from one position on; ids outside the vocabulary are left out.</summary>
/// <param name="vocabularySize">The number of valid ids.</param>
/// <param name="start">The first position counted.</param>
/// <param name="expectedTokens">How many positions to reserve room for.</param>
internal sealed class TokenCounts(int vocabularySize, int start, int expectedTokens)
{
    private readonly int[] _counts = new int[vocabularySize];
    private readonly List<int> _distinct = new(Math.Min(vocabularySize, expectedTokens));
    private int _position = start;

    /// <summary>The ids that occur, each once, in order of first occurrence.</summary>
    public List<int> Distinct => _distinct;

    /// <summary>How often an id of <see cref="Distinct"/> occurs.</summary>
    public int this[int id] => _counts[id];

    /// <summary>Counts what the history gained since the last call.</summary>
    public void CatchUp(TokenHistory history)
    {
        for (; _position < history.Count; _position++)
        {
            int id = history.Ids[_position];
            if ((uint)id < (uint)_counts.Length && _counts[id]++ == 0)
            {
                _distinct.Add(id);
            }
        }
    }

    /// <summary>Takes back what was counted of the last ids of a history.</summary>
    /// <param name="history">The history, still with these ids.</param>
    /// <param name="count">How many ids stay; at least the first position counted.</param>
    public void Rewind(TokenHistory history, int count)
    {
        while (_position > count)
        {
            int id = history.Ids[--_position];
            if ((uint)id < (uint)_counts.Length && --_counts[id] == 0)
            {
                // Whatever first occurred later is gone already.
                _distinct.RemoveAt(_distinct.Count - 1);
            }
        }
    }
}
