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
public sealed record GenerationUpdate(int TokenId, string Text, FinishReason? FinishReason, TokenLogProbs? LogProbs);

/// <summary>Log-probabilities of one generated token.</summary>
/// <param name="Chosen">The token that was drawn.</param>
/// <param name="Rank">1 + the number of tokens with a larger log-probability.</param>
/// <param name="Top">The most probable tokens, descending.</param>
public sealed record TokenLogProbs(TokenLogProb Chosen, int Rank, IReadOnlyList<TokenLogProb> Top);
