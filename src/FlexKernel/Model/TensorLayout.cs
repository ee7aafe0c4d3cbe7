using System.Collections.Immutable;
using System.Globalization;

namespace FlexKernel.Model;

/// <summary>Names, shapes and places of all tensors that a model's checkpoint must hold.</summary>
public sealed class TensorLayout
{
    private readonly Architecture _architecture;

    /// <summary>Creates the layout of a model.</summary>
    /// <param name="description">The model.</param>
    /// <exception cref="ArgumentException">The model type is not supported, or does not fit the presence of a mixture.</exception>
    public TensorLayout(ModelDescription description)
    {
        ArgumentNullException.ThrowIfNull(description);
        _architecture = Architecture.Find(description.ModelType)
            ?? throw new ArgumentException(
                $"Model type '{description.ModelType}', expected one of {Architecture.KnownTypes}.", nameof(description));
        if (_architecture.IsMixture != description.Mixture is not null)
        {
            throw new ArgumentException(
                $"Model type '{description.ModelType}', expected {(_architecture.IsMixture ? "a" : "no")} mixture.", nameof(description));
        }

        Description = description;
        AllowsFusedExperts = _architecture.FeedForward.AllowsFused && (description.Mixture?.Experts.All(e => e.IsFull) ?? false);
    }

    /// <summary>The model.</summary>
    public ModelDescription Description { get; }

    /// <summary>True when a layer may hold all its experts in two 3-D tensors instead of separate ones.</summary>
    public bool AllowsFusedExperts { get; }

    /// <summary>All tensors with experts under separate names; the head only when the embeddings are not tied. Enumerated lazily.</summary>
    public IEnumerable<ExpectedTensor> Tensors =>
        OuterTensors.Concat(Enumerable.Range(0, Description.LayerCount).SelectMany(layer => LayerTensors(layer)));

    /// <summary>The tensors outside the layers; the head only when the embeddings are not tied.</summary>
    public IEnumerable<ExpectedTensor> OuterTensors
    {
        get
        {
            yield return Tensor("model.embed_tokens.weight", TensorRole.Embedding, Description.VocabularySize, Description.HiddenSize);
            yield return Tensor("model.norm.weight", TensorRole.FinalNorm, Description.HiddenSize);
            if (!Description.TieEmbeddings)
            {
                yield return Head;
            }
        }
    }

    /// <summary>The head, which a checkpoint with tied embeddings may have too.</summary>
    public ExpectedTensor Head => Tensor("lm_head.weight", TensorRole.Head, Description.VocabularySize, Description.HiddenSize);

    /// <summary>The tensors of one layer.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="fused">True for all experts in two 3-D tensors, where <see cref="AllowsFusedExperts"/> permits.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="layer"/> is not a layer of the model.</exception>
    /// <exception cref="ArgumentException">Fused experts are asked for and not permitted.</exception>
    public IEnumerable<ExpectedTensor> LayerTensors(int layer, bool fused = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Description.LayerCount);
        if (fused && !AllowsFusedExperts)
        {
            throw new ArgumentException("The experts of this model cannot be fused.", nameof(fused));
        }

        IEnumerable<ExpectedTensor> feedForward = fused ? Fused(layer)
            : Description.Mixture is null ? Dense(layer)
            : Description.Mixture.Experts.SelectMany(expert => Expert(layer, expert));
        return Attention(layer).Concat(Norms(layer)).Concat(Router(layer)).Concat(feedForward);
    }

    /// <summary>Finds the place of every tensor of a checkpoint; fused experts are recognised layer by layer.</summary>
    /// <param name="present">The headers of all files of the checkpoint.</param>
    /// <param name="source">The checkpoint's name in errors.</param>
    /// <returns>The names and places; unused RoPE buffers of old files are left out.</returns>
    /// <exception cref="TensorLayoutException">Tensors are missing, unexpected, misshapen, mistyped (only F32, BF16 and F16 are read) or
    /// double; the error lists them all.</exception>
    public TensorMap Resolve(IReadOnlyCollection<TensorShape> present, string source)
    {
        ArgumentNullException.ThrowIfNull(present);
        ArgumentNullException.ThrowIfNull(source);
        return new TensorResolver(this, present).Resolve(source);
    }

    internal static string LayerPrefix(int layer) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}.");

    /// <summary>What precedes the projections of an expert, with <c>*</c> for the layer.</summary>
    internal string ExpertPrefix(int expert) =>
        string.Create(CultureInfo.InvariantCulture, $"model.layers.*.{_architecture.FeedForward.Prefix}{expert}");

    internal string FusedGateUpName(int layer) => $"{LayerPrefix(layer)}{_architecture.FeedForward.Prefix}gate_up_proj";

    internal string FusedDownName(int layer) => $"{LayerPrefix(layer)}{_architecture.FeedForward.Prefix}down_proj";

    private IEnumerable<ExpectedTensor> Attention(int layer)
    {
        int hidden = Description.HiddenSize, queries = Description.QueryWidth, keys = Description.KeyValueWidth;
        string prefix = $"{LayerPrefix(layer)}self_attn.";
        (string Name, TensorRole Weight, TensorRole Bias, int Rows, int Columns)[] projections =
        [
            ("q_proj", TensorRole.Query, TensorRole.QueryBias, queries, hidden),
            ("k_proj", TensorRole.Key, TensorRole.KeyBias, keys, hidden),
            ("v_proj", TensorRole.Value, TensorRole.ValueBias, keys, hidden),
            ("o_proj", TensorRole.Output, TensorRole.OutputBias, hidden, queries),
        ];
        foreach ((string name, TensorRole weight, TensorRole bias, int rows, int columns) in projections)
        {
            yield return Tensor($"{prefix}{name}.weight", new TensorSlot(weight, layer), rows, columns);
            if (Description.AttentionBias)
            {
                yield return Tensor($"{prefix}{name}.bias", new TensorSlot(bias, layer), rows);
            }
        }

        if (Description.QueryKeyNorm)
        {
            yield return Tensor($"{prefix}q_norm.weight", new TensorSlot(TensorRole.QueryNorm, layer), queries);
            yield return Tensor($"{prefix}k_norm.weight", new TensorSlot(TensorRole.KeyNorm, layer), keys);
        }
    }

    // The trap of the family: post_attention_layernorm is the feed-forward norm before a block, and the attention norm after one.
    private IEnumerable<ExpectedTensor> Norms(int layer)
    {
        (string attention, string feedForward) = Description.NormPlacement == NormPlacement.BeforeBlock
            ? ("input_layernorm", "post_attention_layernorm")
            : ("post_attention_layernorm", "post_feedforward_layernorm");
        string prefix = LayerPrefix(layer);
        yield return Tensor($"{prefix}{attention}.weight", new TensorSlot(TensorRole.AttentionNorm, layer), Description.HiddenSize);
        yield return Tensor($"{prefix}{feedForward}.weight", new TensorSlot(TensorRole.FeedForwardNorm, layer), Description.HiddenSize);
    }

    private IEnumerable<ExpectedTensor> Router(int layer)
    {
        if (Description.Mixture is { } mixture)
        {
            string name = $"{LayerPrefix(layer)}{_architecture.FeedForward.Router}";
            yield return Tensor(name, new TensorSlot(TensorRole.Router, layer), mixture.Count, Description.HiddenSize);
        }
    }

    private IEnumerable<ExpectedTensor> Dense(int layer)
    {
        foreach (Projection p in Projections())
        {
            string name = $"{LayerPrefix(layer)}{_architecture.FeedForward.Prefix}{p.Name}";
            yield return Tensor($"{name}.weight", new TensorSlot(p.Weight, layer), p.Rows, p.Columns);
            if (Description.FeedForwardBias)
            {
                yield return Tensor($"{name}.bias", new TensorSlot(p.Bias, layer), p.Rows);
            }
        }
    }

    private IEnumerable<ExpectedTensor> Expert(int layer, ExpertDescription expert)
    {
        string prefix = string.Create(
            CultureInfo.InvariantCulture, $"{LayerPrefix(layer)}{_architecture.FeedForward.Prefix}{expert.Index}.");
        foreach (Projection p in Projections())
        {
            if (expert.IsFull)
            {
                yield return Tensor($"{prefix}{p.Name}.weight", new TensorSlot(p.Weight, layer, expert.Index), p.Rows, p.Columns);
            }
            else
            {
                yield return Tensor($"{prefix}{p.Name}_a.weight", new TensorSlot(p.FactorA, layer, expert.Index), expert.Rank, p.Columns);
                yield return Tensor($"{prefix}{p.Name}_b.weight", new TensorSlot(p.FactorB, layer, expert.Index), p.Rows, expert.Rank);
            }
        }
    }

    private IEnumerable<ExpectedTensor> Fused(int layer)
    {
        int experts = Description.Mixture!.Count, hidden = Description.HiddenSize, inner = Description.IntermediateSize;
        yield return Tensor(FusedGateUpName(layer), new TensorSlot(TensorRole.FusedGateUp, layer), experts, 2L * inner, hidden);
        yield return Tensor(FusedDownName(layer), new TensorSlot(TensorRole.FusedDown, layer), experts, hidden, inner);
    }

    private Projection[] Projections()
    {
        int hidden = Description.HiddenSize, inner = Description.IntermediateSize;
        FeedForwardNames names = _architecture.FeedForward;
        return
        [
            new(names.Gate, TensorRole.Gate, TensorRole.GateBias, TensorRole.GateA, TensorRole.GateB, inner, hidden),
            new(names.Up, TensorRole.Up, TensorRole.UpBias, TensorRole.UpA, TensorRole.UpB, inner, hidden),
            new(names.Down, TensorRole.Down, TensorRole.DownBias, TensorRole.DownA, TensorRole.DownB, hidden, inner),
        ];
    }

    private static ExpectedTensor Tensor(string name, TensorRole role, params ReadOnlySpan<long> shape) =>
        new(name, shape.ToImmutableArray(), new TensorSlot(role));

    private static ExpectedTensor Tensor(string name, TensorSlot slot, params ReadOnlySpan<long> shape) =>
        new(name, shape.ToImmutableArray(), slot);

    private readonly record struct Projection(
        string Name, TensorRole Weight, TensorRole Bias, TensorRole FactorA, TensorRole FactorB, int Rows, int Columns);
}
