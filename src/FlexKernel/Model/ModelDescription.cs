using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>Everything the transformer needs to know about a model besides its weights: one description for all architectures.</summary>
/// <remarks>Compared by value. <see cref="ModelConfigReader"/> makes and checks it.</remarks>
public sealed record ModelDescription
{
    /// <summary>The architecture: <c>flex_olmo</c>, <c>flex_more</c>, <c>olmo2</c>, <c>olmoe</c>, <c>mixtral</c> or <c>llama</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>The rows of the embedding and of the head, V; padding rows included.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The model width, d.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The inner width of the feed-forward network or of one expert, h.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The number of layers, L.</summary>
    public required int LayerCount { get; init; }

    /// <summary>The number of query heads, Hq.</summary>
    public required int HeadCount { get; init; }

    /// <summary>The number of key/value heads, Hkv; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>The channels per head, D; even, not necessarily d/Hq.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>The longest sequence, in positions.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Where the norms of a layer stand.</summary>
    public required NormPlacement NormPlacement { get; init; }

    /// <summary>True when queries and keys are normalised over their whole width, before the split into heads.</summary>
    public required bool QueryKeyNorm { get; init; }

    /// <summary>Queries, keys and values are clamped to plus or minus this after their norm and before RoPE; null: not clamped.</summary>
    public float? ClipQkv { get; init; }

    /// <summary>How many positions a row attends to, its own and those before; null: all.</summary>
    public int? SlidingWindow { get; init; }

    /// <summary>True when the query, key, value and output projections have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>True when the gate, up and down projections have biases.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>The number added to the mean of squares in every norm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>The rotary position embedding.</summary>
    public required RopeDescription Rope { get; init; }

    /// <summary>True when a checkpoint without a head uses the embedding as head.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>The mixture of experts; null for a dense feed-forward network.</summary>
    public MixtureDescription? Mixture { get; init; }

    /// <summary>The token ids that end a sequence; empty when none is known.</summary>
    public ImmutableArray<int> EndOfSequenceIds { get; init; } = [];

    /// <summary>The token id that begins a sequence; null when none is known.</summary>
    public int? BeginOfSequenceId { get; init; }

    /// <summary>The token id used for padding; null when none is known.</summary>
    public int? PaddingId { get; init; }

    /// <summary>The weight type the configuration states, for example <c>bfloat16</c>, or null; the tensors themselves decide.</summary>
    public string? StoredType { get; init; }

    /// <summary>The channels of all query heads, Hq·D.</summary>
    public int QueryWidth => HeadCount * HeadDimension;

    /// <summary>The channels of all key or value heads, Hkv·D.</summary>
    public int KeyValueWidth => KeyValueHeadCount * HeadDimension;

    /// <summary>Compares by value, lists included.</summary>
    /// <param name="other">The description to compare with.</param>
    public bool Equals(ModelDescription? other) =>
        other is not null
        && ModelType == other.ModelType
        && Sizes == other.Sizes
        && Options == other.Options
        && Rope == other.Rope
        && Mixture == other.Mixture
        && (BeginOfSequenceId, PaddingId, StoredType) == (other.BeginOfSequenceId, other.PaddingId, other.StoredType)
        && EndOfSequenceIds.AsSpan().SequenceEqual(other.EndOfSequenceIds.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ModelType, Sizes, Options, Rope, Mixture);

    private (int V, int D, int H, int L, int Hq, int Hkv, int HeadD, int Positions) Sizes => (
        VocabularySize, HiddenSize, IntermediateSize, LayerCount, HeadCount, KeyValueHeadCount, HeadDimension, MaxPositions);

    private (NormPlacement Placement, bool Norm, float? Clip, int? Window, bool Attention, bool FeedForward, float Epsilon, bool Tie) Options => (
        NormPlacement, QueryKeyNorm, ClipQkv, SlidingWindow, AttentionBias, FeedForwardBias, NormEpsilon, TieEmbeddings);
}
