using System.Numerics.Tensors;
using System.Security.Cryptography;

namespace FlexKernel.Sampling;

/// <summary>
/// Chooses the tokens of one sequence. All storage is made at construction, so a draw allocates nothing (until the sequence outgrows the
/// tokens expected); not safe for use by several threads at once.
/// </summary>
/// <remarks>
/// The random number of a draw depends on the seed, the sequence index and the position in the sequence alone, and turns into a token by
/// double-precision arithmetic in a fixed order without functions of the platform: the same logits give the same tokens on every machine,
/// whatever else runs, and also when a sequence is resumed with its tokens as prompt.
/// </remarks>
public sealed class Sampler
{
    // Uses of the random numbers of a position, beside the draw; proposals come last, one for each distance from the text.
    private const uint AcceptanceUse = 1;
    private const uint ProposalUse = 2;

    private readonly SamplingOptions _options;
    private readonly int _vocabularySize;
    private readonly TokenHistory _history;
    private readonly RandomStream _random;
    private readonly ILogitProcessor[] _processors;
    private readonly ICandidateFilter[] _filters = [];
    private readonly Candidates? _candidates;

    /// <summary>Prepares a sequence.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="vocabularySize">The number of valid ids, at least 1; logits from there on (padding of the model) are never
    /// chosen.</param>
    /// <param name="prompt">The ids of the prompt; those outside the vocabulary count for no penalty.</param>
    /// <param name="sequence">Tells sequences of the same seed apart, for example the answers to one request; at least 0.</param>
    /// <param name="expectedTokens">How many tokens to reserve room for; more are allowed, but then a draw may allocate.</param>
    /// <exception cref="ArgumentException">An id of the options is outside the vocabulary, <see cref="SamplingOptions.MinNewTokens"/> is
    /// set without <see cref="SamplingOptions.EndIds"/>, or a number is out of range.</exception>
    public Sampler(SamplingOptions options, int vocabularySize, ReadOnlySpan<int> prompt, int sequence = 0, int expectedTokens = 1024)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfNegative(expectedTokens);
        SamplingPipeline.CheckIds(options, vocabularySize);

        _options = options;
        _vocabularySize = vocabularySize;
        _history = new TokenHistory(prompt, expectedTokens);

        // 53 bits, so that a seed reported as a JSON number survives readers that use doubles.
        Seed = options.Seed ?? (long)(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) >> 11);
        _random = new RandomStream(Seed, sequence);
        _processors = SamplingPipeline.Processors(options, vocabularySize, _history);
        if (!options.IsGreedy)
        {
            _filters = SamplingPipeline.Filters(options);
            _candidates = new Candidates(vocabularySize);
        }

        if (options.LogProbs > 0)
        {
            LogProbs = new LogProbabilities(vocabularySize, options.LogProbs);
        }
    }

    /// <summary>The seed in use: that of the options, or the one chosen in its place.</summary>
    public long Seed { get; }

    /// <summary>The ids of the prompt and of the tokens since, oldest first; valid until the next token.</summary>
    public ReadOnlySpan<int> Tokens => _history.Ids;

    /// <summary>The log-probabilities of the last draw; null when the options ask for none.</summary>
    public LogProbabilities? LogProbs { get; }

    /// <summary>Draws the next token and appends it to the sequence.</summary>
    /// <param name="logits">The model's logits [at least vocabulary]; on return the processed ones, with negative infinity for ids that
    /// could not be drawn. Negative infinity on entry bans an id.</param>
    /// <returns>The id drawn.</returns>
    /// <exception cref="ArgumentException">There are fewer logits than valid ids.</exception>
    /// <exception cref="SamplingException">A logit is not finite, or every id is banned.</exception>
    public int Next(Span<float> logits) => Next(logits, null);

    /// <summary>
    /// Draws the next token, of the same distribution p as without a proposal x from a distribution q: x with probability
    /// <c>min(1, p(x) / q(x))</c>, else one from <c>max(0, p - q)</c>, normalised (arXiv:2211.17192, algorithm 1). The largest logit wins as ever.
    /// </summary>
    /// <inheritdoc cref="Next(Span{float})"/>
    /// <param name="logits">The model's logits; see <see cref="Next(Span{float})"/>.</param>
    /// <param name="proposal">What <see cref="Propose"/> drew for this position after the same tokens, or null.</param>
    internal int Next(Span<float> logits, Proposal? proposal)
    {
        Span<float> valid = Valid(logits);
        if (!_options.ProcessedLogProbs)
        {
            LogProbs?.Capture(valid);
        }

        float maximum = Filter(valid);
        int id = _candidates is null ? First(valid, maximum) : Draw(_candidates, proposal);
        if (_options.ProcessedLogProbs)
        {
            LogProbs?.Capture(valid);
        }

        LogProbs?.Choose(id);
        Renormalize(valid, maximum);
        _history.Add(id);
        return id;
    }

    /// <summary>Draws a token to be checked later and appends it, until <see cref="Truncate"/> takes it back.</summary>
    /// <param name="logits">Logits of another model, or of a part of the model; see <see cref="Next(Span{float})"/>.</param>
    /// <param name="proposal">Receives the token and the distribution it was drawn from.</param>
    /// <param name="ahead">How many proposals stand before it. No random number serves two proposals, also not when a position is proposed
    /// again after other tokens.</param>
    /// <exception cref="SamplingException">A logit is not finite, or every id is banned.</exception>
    internal void Propose(Span<float> logits, Proposal proposal, int ahead)
    {
        Span<float> valid = Valid(logits);
        float maximum = Filter(valid);
        if (_candidates is null)
        {
            proposal.Id = First(valid, maximum);
        }
        else
        {
            proposal.Id = _candidates.Pick(_random.At(_history.Count, ProposalUse + (uint)ahead));
            _candidates.CopyProbabilities(proposal.Probabilities);
        }

        _history.Add(proposal.Id);
    }

    /// <summary>Forgets the last tokens.</summary>
    /// <param name="count">How many stay; at least those of the prompt, at most all.</param>
    internal void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, _history.PromptLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _history.Count);
        foreach (ILogitProcessor processor in _processors)
        {
            processor.Rewind(_history, count);
        }

        _history.Truncate(count);
    }

    /// <summary>Does to the logits what <see cref="Next(Span{float})"/> does, without drawing.</summary>
    /// <inheritdoc cref="Next(Span{float})" path="/param"/>
    /// <inheritdoc cref="Next(Span{float})" path="/exception"/>
    public void Process(Span<float> logits)
    {
        Span<float> valid = Valid(logits);
        Renormalize(valid, Transform(valid));
    }

    /// <summary>Appends a token that was not drawn here, for example one forced by a grammar.</summary>
    /// <param name="id">The id.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    public void Append(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, _vocabularySize);
        _history.Add(id);
    }

    private static int First(ReadOnlySpan<float> logits, float value)
    {
        int id = 0;
        while (logits[id] != value)
        {
            id++;
        }

        return id;
    }

    private int Draw(Candidates candidates, Proposal? proposal)
    {
        int position = _history.Count;
        if (proposal is not null)
        {
            int id = proposal.Id;
            bool isAccepted = _random.At(position, AcceptanceUse) * proposal.Probabilities[id] < candidates.Probability(id);
            if (isAccepted || !candidates.Subtract(proposal.Probabilities))
            {
                return id;
            }
        }

        return candidates.Pick(_random.At(position));
    }

    private Span<float> Valid(Span<float> logits)
    {
        if (logits.Length < _vocabularySize)
        {
            throw new ArgumentException($"There are {logits.Length} logits, expected at least {_vocabularySize}.", nameof(logits));
        }

        logits[_vocabularySize..].Fill(float.NegativeInfinity);
        Span<float> valid = logits[.._vocabularySize];
        float maximum = Maximum(valid, "given");
        return !float.IsNegativeInfinity(maximum)
            ? valid
            : throw new SamplingException(SamplingFailure.NothingLeft, $"Every logit given at position {_history.Count} is -Infinity.");
    }

    private float Maximum(ReadOnlySpan<float> logits, string state)
    {
        float maximum = TensorPrimitives.Max(logits); // NaN if any logit is
        return !float.IsNaN(maximum) && !float.IsPositiveInfinity(maximum)
            ? maximum
            : throw new SamplingException(SamplingFailure.NotFinite, $"A logit {state} at position {_history.Count} is {maximum}.");
    }

    private float Filter(Span<float> valid)
    {
        float maximum = Transform(valid);
        return !float.IsNegativeInfinity(maximum)
            ? maximum
            : throw new SamplingException(SamplingFailure.NothingLeft, $"The options ban every id at position {_history.Count}.");
    }

    private float Transform(Span<float> valid)
    {
        foreach (ILogitProcessor processor in _processors)
        {
            processor.Apply(valid, _history);
        }

        if (_candidates is not null && _options.Temperature != 1)
        {
            TensorPrimitives.Divide(valid, _options.Temperature, valid);
        }

        float maximum = Maximum(valid, "processed");
        if (_candidates is not null && !float.IsNegativeInfinity(maximum))
        {
            _candidates.Load(valid);
            foreach (ICandidateFilter filter in _filters)
            {
                filter.Apply(_candidates);
            }

            _candidates.Mask(valid);
        }

        return maximum;
    }

    private void Renormalize(Span<float> valid, float maximum)
    {
        if (_options.Renormalize && !float.IsNegativeInfinity(maximum))
        {
            PortableMath.LogSoftmax(valid, valid);
        }
    }
}
