using System.Numerics.Tensors;
using System.Text;
using FlexKernel.Generation;
using FlexKernel.Sampling;
using FlexKernel.Text;

namespace FlexKernel.Evaluation.Batching;

/// <summary>Tokens that follow a prefix and whose logits are wanted.</summary>
internal abstract class BatchedBranch
{
    /// <summary>The most tokens it runs in all.</summary>
    public abstract int MaxTokens { get; }

    /// <summary>The tokens that can run now; empty when it has ended.</summary>
    public abstract ReadOnlySpan<int> Pending { get; }

    /// <summary>Takes the logits of the next pending token, which is thereby done; may change them.</summary>
    public abstract void Take(Span<float> logits);
}

/// <summary>Known tokens, each of which predicts the next one.</summary>
/// <param name="window">The last inputs, as many as there are targets, and the targets.</param>
internal sealed class ScoredBranch(TokenWindow window) : BatchedBranch
{
    private readonly ReadOnlyMemory<int> _input = window.Input[(window.Input.Length - window.Targets.Length)..];
    private int _done;

    /// <summary>The log-probability of each target.</summary>
    public double[] LogProbabilities { get; } = new double[window.Targets.Length];

    /// <summary>Whether every target so far is the most likely token.</summary>
    public bool IsGreedy { get; private set; } = true;

    public override int MaxTokens => _input.Length;

    public override ReadOnlySpan<int> Pending => _input.Span[_done..];

    public override void Take(Span<float> logits)
    {
        int target = window.Targets.Span[_done];
        LogProbabilities[_done++] = LogSoftmax.At(logits, target);
        IsGreedy = IsGreedy && TensorPrimitives.IndexOfMax(logits) == target;
    }
}

/// <summary>The most likely continuation, token by token.</summary>
/// <param name="last">The last token of the prompt.</param>
/// <param name="maxTokens">The most tokens to write.</param>
/// <param name="usableVocabulary">Ids that may be written.</param>
/// <param name="tokenizer">Decodes.</param>
/// <param name="stops">Where the text ends.</param>
internal sealed class GreedyBranch(int last, int maxTokens, int usableVocabulary, ByteLevelBpeTokenizer tokenizer, StopMatcher stops)
    : BatchedBranch
{
    private readonly StreamingDetokenizer _detokenizer = new(tokenizer, skipSpecial: true);
    private readonly List<int> _ids = [];
    private readonly StringBuilder _text = new();
    private readonly int[] _next = [last];
    private bool _hasEnded;

    /// <summary>The text written, without what ended it.</summary>
    public string Text => _text.ToString();

    /// <summary>The tokens written, the last one included.</summary>
    public IReadOnlyList<int> Ids => _ids;

    /// <summary>Why it ended.</summary>
    public FinishReason FinishReason { get; private set; }

    public override int MaxTokens => maxTokens;

    public override ReadOnlySpan<int> Pending => _hasEnded ? [] : _next;

    public override void Take(Span<float> logits)
    {
        int id = TensorPrimitives.IndexOfMax(logits[..usableVocabulary]);
        _next[0] = id;
        _ids.Add(id);
        if (!stops.IsStopId(id))
        {
            _text.Append(stops.Append(_detokenizer.Append(id)));
            if (stops.Match is null && _ids.Count < maxTokens)
            {
                return;
            }
        }

        FinishReason = stops.Match is not null || stops.IsStopId(id) ? FinishReason.Stop : FinishReason.Length;
        _hasEnded = true;
        _text.Append(stops.Append(_detokenizer.Flush()));
        _text.Append(stops.Finish());
    }
}
