using FlexKernel.Caching;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>
/// The one transformer of the engine: embedding, layers of attention and feed-forward mixture, final norm and head, as its description
/// says, in fused operations of a <see cref="Backend"/>.
/// </summary>
/// <remarks>One forward pass at a time; a row's results depend on its own sequence alone, bit for bit.</remarks>
public sealed class Transformer : IDisposable
{
    private readonly ModelDescription _description;
    private readonly ModelWeights _weights;
    private readonly Backend _backend;
    private readonly KvCache _cache;
    private readonly RotaryTable _rotary;
    private readonly AttentionPreparation[] _preparations;
    private readonly Projection[][] _queryKeyValue;
    private readonly Projection[][] _output;
    private readonly Projection[][] _router;
    private readonly Activations _residual, _normed, _branch, _queries, _keys, _values, _attended;
    private readonly Activations? _routerLogits;
    private readonly RoutingTable? _routing;
    private readonly PrefixCache _prefixes;
    private readonly List<IDisposable> _owned = [];

    /// <summary>Prepares a model to run.</summary>
    /// <param name="weights">Its weights; owned by the caller.</param>
    /// <param name="backend">What computes; owned by the caller.</param>
    /// <param name="options">Sizes of the cache and of a batch.</param>
    public Transformer(ModelWeights weights, Backend backend, TransformerOptions options)
    {
        _weights = weights;
        _backend = backend;
        _description = weights.Description;
        ContextLength = Math.Min(options.ContextLength ?? _description.MaxPositions, _description.MaxPositions);
        MaxBatchTokens = Math.Min(options.MaxBatchTokens, Math.Max(options.CacheTokens ?? ContextLength, 1));

        int blocks = ((options.CacheTokens ?? ContextLength) + options.BlockSize - 1) / options.BlockSize;
        _cache = Own(new KvCache(backend.CreateKvStorage(
            _description.LayerCount, _description.KeyValueHeadCount, _description.HeadDimension, blocks, options.BlockSize, options.KvFormat)));
        _prefixes = new PrefixCache(_cache);
        _rotary = Own(new RotaryTable(_description.Rope.InverseFrequencies(_description.HeadDimension), ContextLength));
        _residual = Own(backend.CreateActivations(MaxBatchTokens, _description.HiddenSize));
        _normed = Own(backend.CreateActivations(MaxBatchTokens, _description.HiddenSize));
        _branch = Own(backend.CreateActivations(MaxBatchTokens, _description.HiddenSize));
        _queries = Own(backend.CreateActivations(MaxBatchTokens, _description.QueryWidth));
        _attended = Own(backend.CreateActivations(MaxBatchTokens, _description.QueryWidth));
        _keys = Own(backend.CreateActivations(MaxBatchTokens, _description.KeyValueWidth));
        _values = Own(backend.CreateActivations(MaxBatchTokens, _description.KeyValueWidth));
        if (_description.Mixture is { } mixture)
        {
            _routerLogits = Own(backend.CreateActivations(MaxBatchTokens, mixture.Count));
            _routing = new RoutingTable(MaxBatchTokens, mixture.Count);
        }

        _preparations = [.. weights.Layers.Select(layer => new AttentionPreparation(
            layer.QueryNorm, layer.KeyNorm, _description.NormEpsilon, _description.ClipQkv, _rotary))];
        _queryKeyValue = [.. weights.Layers.Select(layer => new Projection[]
        {
            new(layer.Query, layer.QueryBias, _queries), new(layer.Key, layer.KeyBias, _keys), new(layer.Value, layer.ValueBias, _values),
        })];
        _output = [.. weights.Layers.Select(layer => new Projection[] { new(layer.Output, layer.OutputBias, _branch) })];
        _router = [.. weights.Layers.Select(layer => layer.Router is null ? [] : new Projection[] { new(layer.Router, null, _routerLogits!) })];
    }

    /// <summary>The most tokens a sequence can hold.</summary>
    public int ContextLength { get; }

    /// <summary>The most tokens of one forward pass.</summary>
    public int MaxBatchTokens { get; }

    /// <summary>Bytes of the key/value cache.</summary>
    public long CacheBytes => _cache.Storage.ByteCount;

    /// <summary>Cache blocks that no running sequence holds.</summary>
    public int FreeCacheBlocks => _cache.FreeBlocks;

    /// <summary>How keys and values are kept.</summary>
    public KvFormat CacheFormat => _cache.Storage.Format;

    /// <summary>Positions per cache block.</summary>
    public int CacheBlockSize => _cache.Storage.BlockSize;

    /// <summary>All blocks of the cache.</summary>
    internal int CacheBlocks => _cache.Storage.BlockCount;

    /// <summary>Starts an empty sequence.</summary>
    /// <param name="selection">Which experts it may use; all by default.</param>
    /// <param name="activeExperts">k: how many run per token; the model's own number by default.</param>
    /// <exception cref="ArgumentException">The selection names an unknown expert or leaves none, or k is out of range.</exception>
    public Sequence StartSequence(ExpertSelection? selection = null, int? activeExperts = null) =>
        new(_cache, ContextLength, Policy(selection, activeExperts));

    /// <summary>Starts a sequence that already holds as much of a prompt as an ended one under the same policy left behind.</summary>
    internal Sequence ResumeSequence(RoutingPolicy policy, ReadOnlySpan<int> prompt) =>
        _prefixes.Fork(policy, prompt) ?? new Sequence(_cache, ContextLength, policy);

    /// <summary>Ends a sequence and keeps its keys and values for prompts that begin with the same tokens, as long as there is room.</summary>
    /// <param name="sequence">The sequence; no longer the caller's.</param>
    /// <param name="tokens">The tokens it holds.</param>
    internal void EndSequence(Sequence sequence, ReadOnlySpan<int> tokens) => _prefixes.Keep(sequence, tokens);

    /// <summary>Makes a batch of the largest size this transformer takes.</summary>
    public ForwardBatch CreateBatch() => new(MaxBatchTokens, _backend);

    /// <summary>Runs all tokens of a batch: fills the cache, advances the sequences, leaves the wanted logits in the batch.</summary>
    /// <param name="batch">Tokens of any number of sequences, prefill and decode mixed.</param>
    /// <param name="observer">Watches the pass, or null.</param>
    /// <exception cref="ArgumentException">A token is outside the vocabulary or the batch is larger than <see cref="MaxBatchTokens"/>.</exception>
    public void Forward(ForwardBatch batch, IForwardObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RaggedBatch rows = batch.Rows;
        Check(rows);
        if (rows.Rows == 0)
        {
            return;
        }

        _backend.Embed(_weights.Embedding, rows.Tokens, _residual);
        Show(observer, ActivationKind.Embedding, -1, _residual, rows.Rows);
        for (int layer = 0; layer < _weights.Layers.Length; layer++)
        {
            Attend(rows, layer);
            Mix(rows, layer, observer);
            Show(observer, ActivationKind.LayerOutput, layer, _residual, rows.Rows);
        }

        if (observer?.Wants(ActivationKind.FinalNorm) == true)
        {
            _backend.RmsNorm(_residual, rows.Rows, _weights.FinalNorm, _description.NormEpsilon, _normed);
            observer.OnActivations(ActivationKind.FinalNorm, -1, _normed, rows.Rows);
        }

        Predict(batch);
        batch.Complete();
    }

    /// <inheritdoc/>
    public void Dispose() => _owned.ForEach(o => o.Dispose());

    private static void Show(IForwardObserver? observer, ActivationKind kind, int layer, Activations activations, int rows)
    {
        if (observer?.Wants(kind) == true)
        {
            observer.OnActivations(kind, layer, activations, rows);
        }
    }

    // The branch reads the residual stream normed before the block, or as it is.
    private Activations BranchInput(int rows, Activations gain)
    {
        if (_description.NormPlacement == NormPlacement.AfterBlock)
        {
            return _residual;
        }

        _backend.RmsNorm(_residual, rows, gain, _description.NormEpsilon, _normed);
        return _normed;
    }

    private void AddBranch(int rows, Activations gain)
    {
        if (_description.NormPlacement == NormPlacement.AfterBlock)
        {
            _backend.AddRmsNorm(_branch, rows, gain, _description.NormEpsilon, _residual);
        }
        else
        {
            _backend.Add(_branch, rows, _residual);
        }
    }

    private void Attend(RaggedBatch rows, int layer)
    {
        LayerWeights weights = _weights.Layers[layer];
        Activations input = BranchInput(rows.Rows, weights.AttentionNorm);
        _backend.Project(input, rows.Rows, _queryKeyValue[layer]);
        _backend.PrepareAttention(rows, _preparations[layer], _queries, _keys, _values, _cache.Storage, layer);
        _backend.Attend(rows, _queries, _cache.Storage, layer, _description.SlidingWindow, _attended);
        _backend.Project(_attended, rows.Rows, _output[layer]);
        AddBranch(rows.Rows, weights.AttentionNorm);
    }

    private void Mix(RaggedBatch rows, int layer, IForwardObserver? observer)
    {
        LayerWeights weights = _weights.Layers[layer];
        Activations input = BranchInput(rows.Rows, weights.FeedForwardNorm);
        Show(observer, ActivationKind.FeedForwardInput, layer, input, rows.Rows);
        if (_description.Mixture is { } mixture)
        {
            _backend.Project(input, rows.Rows, _router[layer]);
            Show(observer, ActivationKind.RouterLogits, layer, _routerLogits!, rows.Rows);
            _backend.Route(rows, _routerLogits!, mixture.Renormalise, _routing!);
            observer?.OnRouting(layer, _routing!, rows.Rows);
        }

        _backend.FeedForward(input, rows.Rows, weights.FeedForward, _routing, _branch);
        Show(observer, ActivationKind.FeedForwardOutput, layer, _branch, rows.Rows);
        AddBranch(rows.Rows, weights.FeedForwardNorm);
    }

    private void Predict(ForwardBatch batch)
    {
        if (batch.LogitCount == 0)
        {
            return;
        }

        (Activations hidden, Activations logits) = batch.Outputs(_description.HiddenSize, _description.VocabularySize);
        _backend.GatherRows(_residual, batch.LogitIndices, hidden);
        _backend.RmsNorm(hidden, batch.LogitCount, _weights.FinalNorm, _description.NormEpsilon, hidden);
        _backend.Project(hidden, batch.LogitCount, [new Projection(_weights.Head, null, logits)]);
    }

    private void Check(RaggedBatch rows)
    {
        if (rows.Rows > MaxBatchTokens)
        {
            throw new ArgumentException($"The batch has {rows.Rows} tokens; at most {MaxBatchTokens} run at once.", nameof(rows));
        }

        foreach (int token in rows.Tokens)
        {
            if ((uint)token >= (uint)_description.VocabularySize)
            {
                throw new ArgumentException($"Token {token} is outside the vocabulary of {_description.VocabularySize}.", nameof(rows));
            }
        }
    }

    /// <summary>The experts that a request names, as the router wants them.</summary>
    /// <exception cref="ArgumentException">The selection names an unknown expert or leaves none, or k is out of range.</exception>
    internal RoutingPolicy Policy(ExpertSelection? selection, int? activeExperts)
    {
        if (_description.Mixture is not { } mixture)
        {
            return activeExperts is null && (selection is null || selection == ExpertSelection.All)
                ? new RoutingPolicy([0], 1)
                : throw new ArgumentException("The model is dense: it has no experts to select.", nameof(selection));
        }

        if (activeExperts < 1 || activeExperts > mixture.Count)
        {
            throw new ArgumentException($"k is {activeExperts}, expected 1 to {mixture.Count}.", nameof(activeExperts));
        }

        int[] allowed = (selection ?? ExpertSelection.All).Resolve(mixture);
        return new RoutingPolicy(allowed, Math.Min(activeExperts ?? mixture.ActiveExperts, allowed.Length));
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}

/// <summary>Sizes that a <see cref="Transformer"/> reserves.</summary>
public sealed record TransformerOptions
{
    /// <summary>The most tokens of one sequence; the model's own limit by default, and at most that.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Positions the key/value cache holds for all sequences together; one sequence of full length by default.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>Positions per cache block: 64, 128 or 256.</summary>
    public int BlockSize { get; init; } = 64;

    /// <summary>How keys and values are kept; F32, which rounds nothing, by default.</summary>
    public KvFormat KvFormat { get; init; }

    /// <summary>The most tokens of one forward pass; longer prompts run in pieces.</summary>
    public int MaxBatchTokens { get; init; } = 256;
}
