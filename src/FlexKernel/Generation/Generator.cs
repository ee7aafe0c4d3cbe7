using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Sampling;
using FlexKernel.Text;

namespace FlexKernel.Generation;

/// <summary>Writes one text token by token; after warm-up a token allocates nothing.</summary>
/// <remarks>Not thread-safe; several generators of one model may run at once, on threads of their own.</remarks>
public sealed class Generator : IDisposable
{
    private readonly LanguageModel _model;
    private readonly GenerationOptions _options;
    private readonly RoutingPolicy _routing;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer _detokenizer;
    private readonly StopMatcher _stops;
    private readonly Speculation? _speculation;
    private readonly int[] _prompt;
    private readonly int _limit;
    private readonly int[] _last = new int[1];
    private readonly char[] _decoded;
    private Sequence? _sequence;
    private int _logitRow = -1;
    private char[] _text = new char[256];
    private int _textLength;
    private int _written;

    internal Generator(LanguageModel model, ReadOnlySpan<int> prompt, GenerationOptions options)
    {
        if (prompt.IsEmpty)
        {
            throw new ArgumentException("The prompt has no token; begin with at least one, for example the end-of-text token.", nameof(prompt));
        }

        int context = model.Transformer.ContextLength;
        if (prompt.Length >= context)
        {
            throw new ArgumentException($"The prompt has {prompt.Length} tokens; the context holds {context}, one of them for the answer.", nameof(prompt));
        }

        _model = model;
        _options = options;
        _prompt = prompt.ToArray();
        _limit = Math.Min(options.MaxTokens, context - prompt.Length);
        IEnumerable<int> ends = options.IgnoreEndOfSequence ? [] : model.Description.EndOfSequenceIds;
        _stops = new StopMatcher(options.StopStrings, ends.Concat(options.StopIds));
        _detokenizer = new StreamingDetokenizer(model.Tokenizer, skipSpecial: true);
        _decoded = new char[_detokenizer.MaxCharsPerToken];
        _sampler = new Sampler(options.Sampling, model.UsableVocabulary, prompt, expectedTokens: _limit);
        _routing = model.Transformer.Policy(options.Experts, options.ActiveExperts);
        _speculation = options.Speculation is null ? null : new Speculation(model, options, _routing, _sampler, _stops);
    }

    /// <summary>The seed in use, given or drawn.</summary>
    public long Seed => _sampler.Seed;

    /// <summary>Tokens of the prompt.</summary>
    public int PromptTokens => _prompt.Length;

    /// <summary>Tokens of the prompt whose keys and values another text left in the cache; known after the first token.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Tokens written so far.</summary>
    public int WrittenTokens => _written;

    /// <summary>Tokens drafted and checked so far; 0 without speculation.</summary>
    public int DraftedTokens => _speculation?.Drafted ?? 0;

    /// <summary>Drafted tokens that became part of the text.</summary>
    public int AcceptedTokens => _speculation?.Accepted ?? 0;

    /// <summary>The token that <see cref="Next"/> wrote.</summary>
    public int TokenId { get; private set; }

    /// <summary>The text that became certain with it; valid until the next call.</summary>
    public ReadOnlySpan<char> Text => _text.AsSpan(0, _textLength);

    /// <summary>Why the generation ended, or null while it goes on.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Log-probabilities of the token, when asked for; overwritten by the next one.</summary>
    public LogProbabilities? LogProbs => _sampler.LogProbs;

    /// <summary>The stop string that ended the text, or null.</summary>
    public string? StopString => _stops.Match;

    /// <summary>Cache blocks of the longest text this can become.</summary>
    internal int MaxBlocks => (_prompt.Length + _limit + _model.Transformer.CacheBlockSize - 1) / _model.Transformer.CacheBlockSize;

    /// <summary>What the next pass is for.</summary>
    internal GenerationPhase Phase =>
        _written == 0 ? GenerationPhase.Reading : _speculation is { IsDrafting: true } ? GenerationPhase.Drafting : GenerationPhase.Writing;

    /// <summary>Rows that the next pass must have room for.</summary>
    internal int PassRows => _written == 0 ? 1 : _speculation?.PassRows ?? 1;

    /// <summary>Whether the last pass decided a further token.</summary>
    internal bool HasToken => FinishReason is null && _sequence is not null && _speculation is { HasToken: true };

    /// <summary>Writes the next token; the first call also reads the prompt.</summary>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <returns>False when the generation has ended before.</returns>
    /// <exception cref="KvCacheFullException">Too many sequences are open.</exception>
    public bool Next(CancellationToken cancellationToken = default)
    {
        if (FinishReason is not null)
        {
            return false;
        }

        bool hasToken;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (_model.Gate)
            {
                hasToken = HasToken;
                if (hasToken)
                {
                    TakeToken();
                }
                else
                {
                    GenerationBatch batch = _model.Batch;
                    batch.Clear();
                    AddTo(batch);
                    batch.Run();
                    hasToken = Accept(batch);
                }
            }
        }
        while (!hasToken);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_model.Gate)
        {
            if (_sequence is null)
            {
                return;
            }

            // A draft, or drafted tokens that nobody asked for any more, are not part of the text.
            _sequence.Truncate(Math.Min(_sequence.Length, _prompt.Length + Math.Max(_written - 1, 0)));
            if (_options.ReusePrefix)
            {
                _model.Transformer.EndSequence(_sequence, _sampler.Tokens[.._sequence.Length]);
            }
            else
            {
                _sequence.Dispose();
            }

            _sequence = null;
        }
    }

    /// <summary>Adds the next tokens to a pass, as many as fit. Under the model's gate.</summary>
    /// <exception cref="KvCacheFullException">The cache has no block left; the pass is as before.</exception>
    internal void AddTo(GenerationBatch batch)
    {
        Sequence sequence = _sequence ??= StartSequence();
        if (_written > 0 && _speculation is not null)
        {
            _logitRow = _speculation.AddTo(batch, sequence);
            return;
        }

        ReadOnlySpan<int> tokens = _written == 0 ? _prompt.AsSpan(sequence.Length) : _last;
        int piece = Math.Min(tokens.Length, batch.Room);
        LogitRows logits = piece == tokens.Length ? LogitRows.Last : LogitRows.None;
        _logitRow = batch.Add(sequence, tokens[..piece], logits, _options.Trace);
    }

    /// <summary>Takes what a pass gave. Under the model's gate.</summary>
    /// <returns>False while the prompt is being read or a draft written, without a new token.</returns>
    internal bool Accept(GenerationBatch batch)
    {
        if (_logitRow < 0)
        {
            return false;
        }

        if (_written == 0 || _speculation is null)
        {
            Write(_sampler.Next(batch.Logits(_logitRow)));
            return true;
        }

        bool hasToken = _speculation.Accept(batch, _logitRow, _sequence!);
        if (hasToken)
        {
            TakeToken();
        }

        return hasToken;
    }

    /// <summary>Takes the next token that the last pass decided. Under the model's gate.</summary>
    internal void TakeToken() => Write(_speculation!.Next(_sequence!));

    /// <summary>The last token as an object of its own.</summary>
    internal GenerationUpdate ToUpdate() => new(
        TokenId,
        Text.ToString(),
        FinishReason,
        LogProbs is { } p ? new TokenLogProbs(p.Chosen, p.Rank, p.Top.ToArray()) : null,
        FinishReason is null ? null : Totals());

    private GenerationTotals Totals() => new(PromptTokens, CachedTokens, WrittenTokens, Seed, StopString)
    {
        DraftedTokens = DraftedTokens,
        AcceptedTokens = AcceptedTokens,
    };

    private void Write(int id)
    {
        _textLength = 0;
        TokenId = id;
        _written++;
        _last[0] = id;
        if (_stops.IsStopId(TokenId))
        {
            Finish(Generation.FinishReason.Stop);
            return;
        }

        Release(_stops.Append(_decoded.AsSpan(0, _detokenizer.Append(TokenId, _decoded))));
        if (_stops.Match is not null)
        {
            FinishReason = Generation.FinishReason.Stop;
        }
        else if (_written == _limit)
        {
            Finish(Generation.FinishReason.Length);
        }
        else
        {
            _speculation?.Begin(id, _limit - _written);
        }
    }

    private Sequence StartSequence()
    {
        Transformer transformer = _model.Transformer;
        Sequence sequence = _options.ReusePrefix && _options.Trace is null
            ? transformer.ResumeSequence(_routing, _prompt)
            : transformer.StartSequence(_options.Experts, _options.ActiveExperts);
        CachedTokens = sequence.Length;
        return sequence;
    }

    // What the detokeniser and the stop matcher still hold belongs to the text.
    private void Finish(FinishReason reason)
    {
        FinishReason = reason;
        Release(_stops.Append(_decoded.AsSpan(0, _detokenizer.Flush(_decoded))));
        Release(_stops.Finish());
    }

    private void Release(ReadOnlySpan<char> text)
    {
        if (_textLength + text.Length > _text.Length)
        {
            Array.Resize(ref _text, 2 * (_textLength + text.Length));
        }

        text.CopyTo(_text.AsSpan(_textLength));
        _textLength += text.Length;
    }
}
