namespace FlexKernel.Sampling;

/// <summary>Keeps ids of at least a share of the largest probability.</summary>
internal sealed class MinP(float share, int minimum) : ICandidateFilter
{
    private readonly double _logShare = PortableMath.Log(share);

    /// <inheritdoc/>
    public void Apply(Candidates candidates) => candidates.KeepAtLeast(candidates.Maximum + _logShare, minimum);
}

/// <summary>Keeps ids of at least a fixed probability.</summary>
internal sealed class EpsilonCutoff(float epsilon, int minimum) : ICandidateFilter
{
    private readonly double _logEpsilon = PortableMath.Log(epsilon);

    /// <inheritdoc/>
    public void Apply(Candidates candidates) => candidates.KeepAtLeast(candidates.LogSumExp() + _logEpsilon, minimum);
}

/// <summary>Keeps ids of at least a probability that falls as the entropy rises: the lesser of eta and sqrt(eta) exp(-entropy).</summary>
internal sealed class EtaCutoff(float eta, int minimum) : ICandidateFilter
{
    private readonly double _logEta = PortableMath.Log(eta);

    /// <inheritdoc/>
    public void Apply(Candidates candidates) =>
        candidates.KeepAtLeast(candidates.LogSumExp() + Math.Min(_logEta, 0.5 * _logEta - candidates.Entropy()), minimum);
}
