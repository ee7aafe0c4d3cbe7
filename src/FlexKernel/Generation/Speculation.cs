using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Sampling;

namespace FlexKernel.Generation;

/// <summary>
/// The rounds of a speculative generation: passes in which the public expert alone proposes one token each, then one pass of all experts over
/// the last token and the proposals, whose logits decide token by token how many of them stand.
/// </summary>
/// <remarks>
/// The draft has no keys and values of its own: it reads those of the text, and what it writes behind them the checking pass writes anew
/// before it reads it. So the prompt is read once, and nothing of a draft outlives its round.
/// </remarks>
internal sealed class Speculation
{
    private readonly Sampler _sampler;
    private readonly StopMatcher _stops;
    private readonly RoutingPolicy _draft;
    private readonly DraftPacing _pacing;
    private readonly Proposal[] _proposals;
    private readonly int _vocabularySize;
    private readonly RoutingTrace? _trace;

    // What the router chose in the checking pass; of the text once the token stands.
    private readonly RoutingTrace? _checked;

    // The last token of the text, then the proposals.
    private readonly int[] _tokens;

    // [1 + proposals, vocabulary]: what the checking pass said after each of the tokens.
    private readonly float[] _logits;
    private int _wanted;
    private int _proposed;
    private int _row;
    private int _rows;

    /// <summary>Prepares the rounds of one text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="text">The experts of the text.</param>
    /// <param name="sampler">Draws the text.</param>
    /// <param name="stops">Knows the ids after which no draft goes on.</param>
    /// <exception cref="ArgumentException">The model is dense, or the text may not use the public expert.</exception>
    public Speculation(LanguageModel model, GenerationOptions options, RoutingPolicy text, Sampler sampler, StopMatcher stops)
    {
        SpeculationOptions speculation = options.Speculation!;
        _draft = DraftPolicy(model.Description, text.Allowed);

        // A round has to fit a pass, also when it is all that runs.
        int most = Math.Min(speculation.DraftTokens, model.Transformer.MaxBatchTokens - 1);
        _pacing = new DraftPacing(most, speculation.WhileItPays, model.Description, text, _draft);
        _vocabularySize = model.UsableVocabulary;
        _proposals = [.. Enumerable.Range(0, most).Select(_ => new Proposal(options.Sampling.IsGreedy ? 0 : _vocabularySize))];
        _tokens = new int[1 + most];
        _logits = new float[(1 + most) * _vocabularySize];
        _sampler = sampler;
        _stops = stops;
        _trace = options.Trace;
        _checked = _trace is null ? null : new RoutingTrace();
    }

    /// <summary>Tokens drafted and checked.</summary>
    public int Drafted { get; private set; }

    /// <summary>Drafted tokens that stood.</summary>
    public int Accepted { get; private set; }

    /// <summary>Whether the next pass is one of the public expert alone.</summary>
    public bool IsDrafting => _proposed < _wanted;

    /// <summary>Whether a token can be drawn without a pass.</summary>
    public bool HasToken => _row < _rows;

    /// <summary>Rows of the next pass.</summary>
    public int PassRows => IsDrafting ? 1 : 1 + _proposed;

    /// <summary>The experts of a draft: the public one, expert 0.</summary>
    /// <param name="model">The model.</param>
    /// <param name="allowed">The experts of the text.</param>
    /// <exception cref="ArgumentException">The model is dense, or the text may not use the public expert.</exception>
    public static RoutingPolicy DraftPolicy(ModelDescription model, int[] allowed)
    {
        if (model.Mixture is not { } mixture)
        {
            throw new ArgumentException("The model is dense: speculation needs a mixture, whose public expert drafts.", nameof(model));
        }

        return allowed.Contains(0)
            ? new RoutingPolicy([0], 1)
            : throw new ArgumentException(
                $"Speculation drafts with the public expert '{mixture.Experts[0].Name}', which the selection leaves out.", nameof(allowed));
    }

    /// <summary>Begins a round, unless the last one still has tokens.</summary>
    /// <param name="last">The last token of the text.</param>
    /// <param name="remaining">How many more tokens the text may have; at least one.</param>
    public void Begin(int last, int remaining)
    {
        if (!HasToken)
        {
            _tokens[0] = last;
            _proposed = 0;
            _wanted = Math.Min(_pacing.Next(), remaining - 1);
        }
    }

    /// <summary>Adds the next rows to a pass.</summary>
    /// <returns>The first row of logits.</returns>
    /// <exception cref="KvCacheFullException">The cache has no block left; the pass is as before.</exception>
    public int AddTo(GenerationBatch batch, Sequence sequence)
    {
        if (IsDrafting)
        {
            return batch.Add(sequence, _tokens.AsSpan(_proposed, 1), LogitRows.Last, null, _draft);
        }

        _checked?.Clear();
        return batch.Add(sequence, _tokens.AsSpan(0, 1 + _proposed), LogitRows.All, _checked);
    }

    /// <summary>Takes what a pass gave.</summary>
    /// <param name="batch">The pass.</param>
    /// <param name="firstRow">Its first row of logits of this text.</param>
    /// <param name="sequence">The text's sequence.</param>
    /// <returns>Whether there are tokens to draw now.</returns>
    public bool Accept(GenerationBatch batch, int firstRow, Sequence sequence)
    {
        if (IsDrafting)
        {
            Propose(batch.Logits(firstRow));
            if (!IsDrafting)
            {
                int length = _sampler.Tokens.Length - _proposed;
                _sampler.Truncate(length);
                sequence.Truncate(length - 1);
            }

            return false;
        }

        // Other texts use the pass again before all of these are drawn from.
        (_row, _rows) = (0, 1 + _proposed);
        for (int row = 0; row < _rows; row++)
        {
            batch.Logits(firstRow + row)[.._vocabularySize].CopyTo(Logits(row));
        }

        Drafted += _proposed;
        return true;
    }

    /// <summary>Draws the next token; there must be one.</summary>
    /// <exception cref="SamplingException">No token can be drawn.</exception>
    public int Next(Sequence sequence)
    {
        _trace?.Add(_checked!, _sampler.Tokens.Length - 1);
        Proposal? proposal = _row < _proposed ? _proposals[_row] : null;
        int id = _sampler.Next(Logits(_row), proposal);
        if (proposal?.Id == id)
        {
            Accepted++;
            _row++;
            return id;
        }

        _pacing.Settle(_proposed, accepted: _row);
        _rows = 0;
        sequence.Truncate(_sampler.Tokens.Length - 1);
        return id;
    }

    private void Propose(Span<float> logits)
    {
        Proposal proposal = _proposals[_proposed];
        try
        {
            _sampler.Propose(logits, proposal, _proposed);
        }
        catch (SamplingException)
        {
            // After tokens that the text may never have, nothing need be left to draw.
            _wanted = _proposed;
            return;
        }

        _tokens[++_proposed] = proposal.Id;
        if (_stops.IsStopId(proposal.Id))
        {
            _wanted = _proposed;
        }
    }

    private Span<float> Logits(int row) => _logits.AsSpan(row * _vocabularySize, _vocabularySize);
}
