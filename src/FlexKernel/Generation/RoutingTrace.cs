using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Generation;

/// <summary>One choice of the router.</summary>
/// <param name="Position">The token's position in its sequence.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Expert">The expert's index.</param>
/// <param name="Weight">Its routing weight.</param>
public readonly record struct RoutingChoice(int Position, int Layer, int Expert, float Weight);

/// <summary>Records which experts processed each token of one sequence, layer by layer.</summary>
public sealed class RoutingTrace
{
    private readonly List<RoutingChoice> _choices = [];

    /// <summary>Everything recorded: forward passes in order, in each layer after layer, in each row after row.</summary>
    public IReadOnlyList<RoutingChoice> Choices => _choices;

    /// <summary>Reads tokens with a model, without writing any, and records the router's choices.</summary>
    /// <param name="model">The model; a dense one makes no choices.</param>
    /// <param name="tokens">The tokens, from the beginning of a sequence on; at most the context.</param>
    /// <param name="experts">Which experts may be used; all of them by default.</param>
    /// <param name="activeExperts">k; the model's own number by default.</param>
    /// <param name="progress">Told how many tokens were read.</param>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <exception cref="ArgumentException">The tokens are more than the context holds, or experts unknown.</exception>
    /// <exception cref="KvCacheFullException">Too many sequences are open.</exception>
    public static RoutingTrace Read(
        LanguageModel model,
        ReadOnlySpan<int> tokens,
        ExpertSelection? experts = null,
        int? activeExperts = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        int context = model.Transformer.ContextLength, total = tokens.Length;
        if (total > context)
        {
            throw new ArgumentException($"The text has {total} tokens; the context holds {context}.", nameof(tokens));
        }

        RoutingTrace trace = new();
        Sequence sequence;
        lock (model.Gate)
        {
            sequence = model.Transformer.StartSequence(experts ?? ExpertSelection.All, activeExperts);
        }

        try
        {
            while (!tokens.IsEmpty)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int piece = Math.Min(tokens.Length, model.Transformer.MaxBatchTokens);
                lock (model.Gate)
                {
                    model.Batch.Clear();
                    model.Batch.Add(sequence, tokens[..piece], LogitRows.None, trace);
                    model.Batch.Run();
                }

                tokens = tokens[piece..];
                progress?.Report(new WorkProgress(total - tokens.Length, total, ""));
            }
        }
        finally
        {
            lock (model.Gate)
            {
                sequence.Dispose();
            }
        }

        return trace;
    }

    /// <summary>The mean routing weight of each expert over layers and the tokens at some positions.</summary>
    /// <param name="experts">Experts of the model.</param>
    /// <param name="firstPosition">First position counted.</param>
    /// <param name="endPosition">Position after the last.</param>
    public double[] MeanWeights(int experts, int firstPosition, int endPosition)
    {
        double[] sums = new double[experts];
        HashSet<(int, int)> rows = [];
        foreach (RoutingChoice choice in _choices)
        {
            if (choice.Position >= firstPosition && choice.Position < endPosition)
            {
                sums[choice.Expert] += choice.Weight;
                rows.Add((choice.Position, choice.Layer));
            }
        }

        return Array.ConvertAll(sums, sum => rows.Count == 0 ? 0 : sum / rows.Count);
    }

    /// <summary>Forgets everything.</summary>
    internal void Clear() => _choices.Clear();

    /// <summary>Adds what another trace holds of one token.</summary>
    /// <param name="other">The other trace.</param>
    /// <param name="position">The token's position.</param>
    internal void Add(RoutingTrace other, int position) => _choices.AddRange(other._choices.Where(choice => choice.Position == position));

    internal void Record(int layer, RoutingTable routing, int firstRow, int rows, int firstPosition)
    {
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<int> experts = routing.Experts(firstRow + row);
            ReadOnlySpan<float> weights = routing.Weights(firstRow + row);
            for (int i = 0; i < experts.Length; i++)
            {
                _choices.Add(new RoutingChoice(firstPosition + row, layer, experts[i], weights[i]));
            }
        }
    }
}
