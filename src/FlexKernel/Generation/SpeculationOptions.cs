namespace FlexKernel.Generation;

/// <summary>
/// Speculative decoding: the public expert alone (expert 0, k = 1) drafts tokens, and one pass with all experts checks them. A greedy text is
/// the same bit for bit, with its log-probabilities; a drawn one has the same distribution and is the same for the same seed and options, but
/// not the one that the seed gives without drafts.
/// </summary>
/// <remarks>
/// A round of n drafts of which a are accepted costs n passes of the draft and one of n + 1 rows, and writes a + 1 tokens. In units of one
/// plain pass it pays if <c>a + 1 &gt; n c_draft + c_check(n + 1)</c>.
/// </remarks>
public sealed record SpeculationOptions
{
    /// <summary>The most tokens of a draft.</summary>
    public const int MaxDraftTokens = 16;

    /// <summary>n: how many tokens to draft before they are checked, from 1 to <see cref="MaxDraftTokens"/>.</summary>
    public int DraftTokens
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MaxDraftTokens);
            field = value;
        }
    } = 4;

    /// <summary>
    /// Stops drafting for a while when eight rounds wrote fewer tokens than they cost, by the weights that passes read. The rule knows no
    /// clock, so that the same seed gives the same text on every machine.
    /// </summary>
    public bool WhileItPays { get; init; } = true;
}
