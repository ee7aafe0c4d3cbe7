using FlexKernel.Caching;
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
    private readonly Sequence _sequence;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer _detokenizer;
    private readonly StopMatcher _stops;
    private readonly int[] _prompt;
    private readonly int _limit;
    private readonly int[] _last = new int[1];
    private readonly char[] _decoded;
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
        lock (model.Gate)
        {
            _sequence = model.Transformer.StartSequence(options.Experts, options.ActiveExperts);
        }
    }

    /// <summary>The seed in use, given or drawn.</summary>
    public long Seed => _sampler.Seed;

    /// <summary>Tokens of the prompt.</summary>
    public int PromptTokens => _prompt.Length;

    /// <summary>Tokens written so far.</summary>
    public int WrittenTokens => _written;

    /// <summary>The token that <see cref="Next"/> wrote.</summary>
    public int TokenId { get; private set; }

    /// <summary>The text that became certain with it; valid until the next call.</summary>
    public ReadOnlySpan<char> Text => _text.AsSpan(0, _textLength);

    /// <summary>Why the generation ended, or null while it goes on.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Log-probabilities of the token, when asked for; overwritten by the next one.</summary>
    public LogProbabilities? LogProbs => _sampler.LogProbs;

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

        _textLength = 0;
        Forward(cancellationToken);
        _written++;
        _last[0] = TokenId;
        if (_stops.IsStopId(TokenId))
        {
            Finish(Generation.FinishReason.Stop);
            return true;
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

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_model.Gate)
        {
            _sequence.Dispose();
        }
    }

    private void Forward(CancellationToken cancellationToken)
    {
        ReadOnlySpan<int> tokens = _written == 0 ? _prompt : _last;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int piece = Math.Min(tokens.Length, _model.Transformer.MaxBatchTokens);
            lock (_model.Gate)
            {
                ForwardBatch batch = _model.Batch;
                batch.Clear();
                batch.Add(_sequence, tokens[..piece], piece == tokens.Length ? LogitRows.Last : LogitRows.None);
                _options.Trace?.BeginPass(_sequence.Length);
                _model.Transformer.Forward(batch, _options.Trace);
                if (piece == tokens.Length)
                {
                    TokenId = _sampler.Next(batch.Logits(0));
                    return;
                }
            }

            tokens = tokens[piece..];
        }
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
