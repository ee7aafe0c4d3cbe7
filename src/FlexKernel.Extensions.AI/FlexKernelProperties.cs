namespace FlexKernel.Extensions.AI;

/// <summary>
/// The keys of <c>AdditionalProperties</c> that FlexKernel reads from requests and writes into answers. A key that begins with
/// <see cref="Prefix"/> and is not one of them is refused, so that a misspelt exclusion never passes for a granted one.
/// </summary>
/// <remarks>
/// Numbers and flags may be .NET values, JSON values or text in the invariant culture; lists of names may be sequences, JSON arrays or
/// one text separated by commas.
/// </remarks>
public static class FlexKernelProperties
{
    /// <summary>What all keys begin with.</summary>
    public const string Prefix = "flexkernel.";

    /// <summary>Request: experts the router must not see, by name or index.</summary>
    public const string ExcludedExperts = Prefix + "experts.exclude";

    /// <summary>Request: the only experts the router may see, by name or index.</summary>
    public const string AllowedExperts = Prefix + "experts.allow";

    /// <summary>Request: how many experts run per token, at least 1.</summary>
    public const string ActiveExperts = Prefix + "k";

    /// <summary>Request: whether the router's choices are recorded.</summary>
    public const string Trace = Prefix + "trace";

    /// <summary>Chat request: the least share of the largest probability, from 0 to 1.</summary>
    public const string MinP = Prefix + "min_p";

    /// <summary>Chat request: the mass of most typical tokens to keep, from 0 to 1.</summary>
    public const string TypicalP = Prefix + "typical_p";

    /// <summary>Chat request: the penalty on tokens of prompt and text, from 0.01 to 100.</summary>
    public const string RepetitionPenalty = Prefix + "repetition_penalty";

    /// <summary>Chat request: the length of runs of tokens that must not repeat; 0 bans none.</summary>
    public const string NoRepeatNgram = Prefix + "no_repeat_ngram";

    /// <summary>Chat request: the number of likeliest tokens to report with each token, from 0 to 1000.</summary>
    public const string LogProbs = Prefix + "logprobs";

    /// <summary>Chat request: whether to write on after the model's end of text.</summary>
    public const string IgnoreEndOfSequence = Prefix + "ignore_eos";

    /// <summary>Embedding request: how a text's tokens become one vector; a name of <see cref="FlexKernel.Embeddings.Pooling"/>.</summary>
    public const string Pooling = Prefix + "pooling";

    /// <summary>Embedding request: whether vectors get length 1.</summary>
    public const string Normalize = Prefix + "normalize";

    /// <summary>Embedding request: whether a text longer than the context is cut rather than refused.</summary>
    public const string Truncate = Prefix + "truncate";

    /// <summary>Chat answer: the seed that was used, given or drawn; a <see cref="long"/> on the message and the last update.</summary>
    public const string Seed = Prefix + "seed";

    /// <summary>Chat answer: the stop sequence that ended the text; absent when none did.</summary>
    public const string StopSequence = Prefix + "stop_sequence";

    /// <summary>
    /// Chat answer, in <c>UsageDetails.AdditionalCounts</c> of a traced request: this and the name of an expert is the number of its
    /// activations, one per token and layer.
    /// </summary>
    public const string ExpertTokens = Prefix + "expert.tokens.";
}
