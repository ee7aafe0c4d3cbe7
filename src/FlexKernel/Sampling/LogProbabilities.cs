namespace FlexKernel.Sampling;

/// <summary>A token and the natural logarithm of its probability.</summary>
/// <param name="Id">The token's id.</param>
/// <param name="LogProb">At most 0.</param>
public readonly record struct TokenLogProb(int Id, float LogProb);

/// <summary>The log-probabilities of the last draw of a <see cref="Sampler"/>, overwritten by the next one.</summary>
public sealed class LogProbabilities
{
    private readonly float[] _logProbs;
    private readonly TopTokens _largest;
    private readonly TokenLogProb[] _top;
    private int _topCount;

    internal LogProbabilities(int vocabularySize, int top)
    {
        _logProbs = new float[vocabularySize];
        _top = new TokenLogProb[Math.Min(top, vocabularySize)];
        _largest = new TopTokens(_top.Length);
    }

    /// <summary>The token drawn.</summary>
    public TokenLogProb Chosen { get; private set; }

    /// <summary>1 plus the number of tokens that are strictly more likely than the one drawn, by the values reported.</summary>
    public int Rank { get; private set; }

    /// <summary>The most likely tokens, the likeliest first, equal ones by ascending id; banned and filtered tokens are left out.</summary>
    public ReadOnlySpan<TokenLogProb> Top => _top.AsSpan(0, _topCount);

    /// <summary>Takes over a distribution.</summary>
    /// <param name="logits">The logits [vocabulary]; at least one above negative infinity.</param>
    internal void Capture(ReadOnlySpan<float> logits)
    {
        PortableMath.LogSoftmax(logits, _logProbs);
        _largest.Collect(_logProbs, _top.Length);
        _topCount = 0;
        while (_largest.Count > 0)
        {
            int place = _largest.Count - 1;
            (int id, float logProb) = _largest.RemoveWorst();
            _top[place] = new TokenLogProb(id, logProb);
            if (_topCount == 0 && !float.IsNegativeInfinity(logProb))
            {
                _topCount = place + 1;
            }
        }
    }

    /// <summary>Records which id was drawn.</summary>
    internal void Choose(int id)
    {
        float chosen = _logProbs[id];
        int larger = 0;
        foreach (float other in _logProbs)
        {
            larger += other > chosen ? 1 : 0;
        }

        Chosen = new TokenLogProb(id, chosen);
        Rank = 1 + larger;
    }
}
