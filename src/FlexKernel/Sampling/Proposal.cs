namespace FlexKernel.Sampling;

/// <summary>A token drawn from another distribution than the one it is checked against, with that distribution.</summary>
/// <param name="vocabularySize">The number of valid ids; 0 when the largest logit wins and no distribution is needed.</param>
internal sealed class Proposal(int vocabularySize)
{
    /// <summary>The token.</summary>
    public int Id { get; set; }

    /// <summary>The probabilities it was drawn with, q [vocabulary].</summary>
    public double[] Probabilities { get; } = new double[vocabularySize];
}
