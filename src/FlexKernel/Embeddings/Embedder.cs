using System.Collections.Frozen;
using FlexKernel.Caching;
using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>The embeddings that one expert alone gives.</summary>
/// <param name="Expert">The expert's name.</param>
/// <param name="Embeddings">One embedding per document, in the order of the documents.</param>
public sealed record ExpertEmbeddings(string Expert, float[][] Embeddings);

/// <summary>Turns texts into vectors whose cosine says how alike they are, with the hidden states of a language model.</summary>
/// <remarks>
/// Thread-safe: calls take turns, and generations of the same model go on between forward passes. An embedding depends on its document and
/// the options alone, bit for bit: not on the other documents, nor on threads or vector width.
/// </remarks>
/// <param name="model">The model; it must outlive the embedder.</param>
public sealed class Embedder(LanguageModel model)
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(50);
    private readonly Lock _turn = new();

    /// <summary>Components of a vector that is not shortened: the model's width.</summary>
    public int Dimensions => model.Description.HiddenSize;

    /// <summary>Embeds texts.</summary>
    /// <param name="documents">The documents: texts, in which added tokens are parsed, or the token ids of each, at least one.</param>
    /// <param name="options">How; the normalised mean of all tokens by default.</param>
    /// <param name="progress">Told how many tokens are done.</param>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <returns>One embedding per document, in their order; its length is that of <see cref="EmbeddingOptions.Dimensions"/> or of
    /// <see cref="Dimensions"/>, times the layers for <see cref="EmbeddingSource.RouterInput"/>.</returns>
    /// <exception cref="ArgumentException">A document is empty and the model names no token that begins a text, or it is longer than the
    /// context and not to be cut; or an option does not fit the model.</exception>
    /// <exception cref="KvCacheFullException">Generations that are under way leave no room in the cache.</exception>
    public float[][] Embed(
        IReadOnlyList<string> documents,
        EmbeddingOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        Embed(Encode(documents, cancellationToken), options, progress, cancellationToken);

    /// <summary>Embeds documents of token ids.</summary>
    /// <inheritdoc cref="Embed(IReadOnlyList{string}, EmbeddingOptions, IProgress{WorkProgress}, CancellationToken)"/>
    public float[][] Embed(
        IReadOnlyList<int[]> documents,
        EmbeddingOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new EmbeddingOptions();
        DocumentJob[] jobs = Jobs(documents, options, options.Experts, options.ActiveExperts);
        return Run(jobs, options, progress, cancellationToken);
    }

    /// <summary>Embeds texts with each expert alone: the others are absent, and k is 1.</summary>
    /// <returns>Per expert of <see cref="EmbeddingOptions.Experts"/>, in index order, one embedding per document.</returns>
    /// <inheritdoc cref="Embed(IReadOnlyList{string}, EmbeddingOptions, IProgress{WorkProgress}, CancellationToken)"/>
    public IReadOnlyList<ExpertEmbeddings> EmbedPerExpert(
        IReadOnlyList<string> documents,
        EmbeddingOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        EmbedPerExpert(Encode(documents, cancellationToken), options, progress, cancellationToken);

    /// <summary>Embeds documents of token ids with each expert alone: the others are absent, and k is 1.</summary>
    /// <inheritdoc cref="EmbedPerExpert(IReadOnlyList{string}, EmbeddingOptions, IProgress{WorkProgress}, CancellationToken)"/>
    public IReadOnlyList<ExpertEmbeddings> EmbedPerExpert(
        IReadOnlyList<int[]> documents,
        EmbeddingOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        options ??= new EmbeddingOptions();
        if (model.Experts.Count == 0)
        {
            throw new ArgumentException("The model is dense: it has no experts to embed with.", nameof(options));
        }

        if (options.ActiveExperts is > 1)
        {
            throw new ArgumentException($"k is {options.ActiveExperts}; one expert alone has k = 1.", nameof(options));
        }

        string[] experts = [.. options.Experts.Resolve(model.Experts).Select(e => model.Experts.Names[e])];
        DocumentJob[] jobs = [.. experts.SelectMany(expert => Jobs(
            documents, options, new ExpertSelection { Allowed = FrozenSet.Create(expert) }, activeExperts: 1))];
        float[][] embeddings = Run(jobs, options, progress, cancellationToken);
        int count = documents.Count;
        return [.. experts.Select((expert, e) => new ExpertEmbeddings(expert, embeddings[(e * count)..((e + 1) * count)]))];
    }

    private int[][] Encode(IReadOnlyList<string> documents, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(documents);
        int[][] ids = new int[documents.Count][];
        for (int i = 0; i < ids.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ids[i] = model.EncodePrompt(documents[i]);
        }

        return ids;
    }

    private DocumentJob[] Jobs(IReadOnlyList<int[]> documents, EmbeddingOptions options, ExpertSelection experts, int? activeExperts)
    {
        ArgumentNullException.ThrowIfNull(documents);
        DocumentJob[] jobs = new DocumentJob[documents.Count];
        for (int i = 0; i < jobs.Length; i++)
        {
            jobs[i] = new DocumentJob(Fit(documents[i], i, options.Truncate), experts, activeExperts);
        }

        return jobs;
    }

    private ReadOnlyMemory<int> Fit(int[] tokens, int document, bool truncate)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        int limit = model.Transformer.ContextLength;
        if (tokens.Length == 0)
        {
            throw new ArgumentException($"Document {document} has no token.", nameof(tokens));
        }

        return tokens.Length <= limit ? tokens
            : truncate ? tokens.AsMemory(0, limit)
            : throw new ArgumentException(
                $"Document {document} has {tokens.Length} tokens; the context holds {limit}. Cut it, or allow truncation.", nameof(tokens));
    }

    private float[][] Run(
        DocumentJob[] jobs, EmbeddingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        if (options.Dimensions is { } dimensions && (dimensions < 1 || dimensions > Dimensions))
        {
            throw new ArgumentException($"Dimensions is {dimensions}, expected 1 to {Dimensions}.", nameof(options));
        }

        // Two calls at once could each hold the cache that the other's next document needs.
        while (!_turn.TryEnter(BetweenLooks))
        {
            cancellationToken.ThrowIfCancellationRequested();
        }

        try
        {
            PoolingShape shape = new(model.Description, options);
            using ForwardBatch batch = model.Transformer.CreateBatch();
            return new DocumentPooling(model.Transformer, batch, model.Gate).Run(jobs, shape, progress, cancellationToken);
        }
        finally
        {
            _turn.Exit();
        }
    }
}
