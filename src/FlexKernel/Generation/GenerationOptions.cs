using FlexKernel.Model;
using FlexKernel.Sampling;

namespace FlexKernel.Generation;

/// <summary>What one request asks for.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to write; fewer when the context ends before.</summary>
    public int MaxTokens
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            field = value;
        }
    } = 256;

    /// <summary>How tokens are chosen; greedy by default.</summary>
    public SamplingOptions Sampling { get; init; } = new() { Temperature = 0 };

    /// <summary>Texts that end the generation; they are not part of the text.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Token ids that end the generation, beside the model's own end-of-sequence ids.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>Writes on after the model's end-of-sequence ids.</summary>
    public bool IgnoreEndOfSequence { get; init; }

    /// <summary>Which experts may be used.</summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>k: how many experts run per token; the model's own number by default.</summary>
    public int? ActiveExperts { get; init; }

    /// <summary>Receives the router's choices; null: nothing is recorded and nothing is spent.</summary>
    public RoutingTrace? Trace { get; init; }

    /// <summary>
    /// Takes the keys and values of the prompt's beginning from a text that began alike, and leaves this one's for the next: faster, and the
    /// same text bit for bit. A traced text computes its whole prompt, so that the trace is complete.
    /// </summary>
    public bool ReusePrefix { get; init; } = true;

    /// <summary>Drafts tokens with the public expert and checks several in one pass; null: each pass writes one token.</summary>
    public SpeculationOptions? Speculation { get; init; }
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model wrote an end-of-sequence or stop id, or the text reached a stop string.</summary>
    Stop,

    /// <summary>The token limit or the end of the context was reached.</summary>
    Length,
}

/// <summary>What one generated token added.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="Text">Text that is now certain; often empty, since characters and stop strings may span tokens.</param>
/// <param name="FinishReason">Set on the last update.</param>
/// <param name="LogProbs">Log-probabilities, when asked for.</param>
/// <param name="Totals">What the whole text took; set on the last update.</param>
public sealed record GenerationUpdate(int TokenId, string Text, FinishReason? FinishReason, TokenLogProbs? LogProbs, GenerationTotals? Totals);

/// <summary>What a text took.</summary>
/// <param name="PromptTokens">Tokens of the prompt, those taken from the cache included.</param>
/// <param name="CachedTokens">Tokens of the prompt whose keys and values were at hand.</param>
/// <param name="WrittenTokens">Tokens written, the one that ended the text included.</param>
/// <param name="Seed">The seed in use, given or drawn.</param>
/// <param name="StopString">The stop string that ended the text, or null.</param>
public sealed record GenerationTotals(int PromptTokens, int CachedTokens, int WrittenTokens, long Seed, string? StopString)
{
    /// <summary>Tokens drafted and checked; 0 without speculation.</summary>
    public int DraftedTokens { get; init; }

    /// <summary>Drafted tokens that became part of the text.</summary>
    public int AcceptedTokens { get; init; }
}

/// <summary>Log-probabilities of one generated token.</summary>
/// <param name="Chosen">The token that was drawn.</param>
/// <param name="Rank">1 + the number of tokens with a larger log-probability.</param>
/// <param name="Top">The most probable tokens, descending.</param>
public sealed record TokenLogProbs(TokenLogProb Chosen, int Rank, IReadOnlyList<TokenLogProb> Top);
