using FlexKernel.Embeddings;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Embeds texts with a model in this process.</summary>
/// <remarks>
/// Thread-safe; a request runs on a thread of its own. Engine options go in an <see cref="EmbeddingOptions"/> from
/// <see cref="EmbeddingGenerationOptions.RawRepresentationFactory"/>, which then stands in for
/// <see cref="FlexKernelEmbeddingOptions.Defaults"/>, or as <see cref="FlexKernelProperties"/>, which go before it.
/// </remarks>
public sealed class FlexKernelEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly LanguageModel _model;
    private readonly Embedder _embedder;
    private readonly FlexKernelEmbeddingOptions _options;
    private readonly EmbeddingGeneratorMetadata _metadata;
    private readonly string _modelId;
    private readonly bool _ownsModel;
    private bool _isDisposed;

    /// <summary>Makes a generator on a loaded model.</summary>
    /// <param name="model">The model; other clients may use it too.</param>
    /// <param name="options">How to embed where a request says nothing.</param>
    /// <param name="ownsModel">Whether disposing the generator disposes the model.</param>
    public FlexKernelEmbeddingGenerator(LanguageModel model, FlexKernelEmbeddingOptions? options = null, bool ownsModel = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _embedder = new Embedder(model);
        _options = options ?? new FlexKernelEmbeddingOptions();
        _ownsModel = ownsModel;
        _modelId = _options.ModelId ?? model.Description.ModelType;
        int dimensions = _options.Defaults.Dimensions ?? _embedder.Dimensions;
        _metadata = new EmbeddingGeneratorMetadata(FlexKernelTelemetry.Provider, providerUri: null, _modelId, dimensions);
    }

    /// <summary>Loads a model and makes a generator that owns it.</summary>
    /// <param name="modelDirectory">The model directory; its name is the model's id by default.</param>
    /// <param name="options">How to embed where a request says nothing.</param>
    /// <param name="loading">How to load and run the model.</param>
    /// <exception cref="Checkpoints.CheckpointException">A file is missing, malformed or contradicts the configuration.</exception>
    public FlexKernelEmbeddingGenerator(
        string modelDirectory, FlexKernelEmbeddingOptions? options = null, LanguageModelOptions? loading = null)
        : this(LanguageModel.Load(modelDirectory, loading), Named(options ?? new(), modelDirectory), ownsModel: true)
    {
    }

    /// <summary>Embeds texts.</summary>
    /// <param name="values">The texts; the embeddings come in their order.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="cancellationToken">Ends the work between two forward passes.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than 1 or more dimensions are wanted than there are.</exception>
    /// <exception cref="ArgumentException">A text is null or longer than the context, or an option names what does not exist.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        using RequestTelemetry? telemetry = RequestTelemetry.Start(FlexKernelTelemetry.Embeddings, _modelId);
        try
        {
            EmbeddingOptions embedding = EmbeddingOptionsMap.Map(options, _options.Defaults, this, _modelId, _model, _embedder.Dimensions);
            string[] texts = [.. values];
            int missing = Array.IndexOf(texts, null!);
            if (missing >= 0)
            {
                throw new ArgumentException($"values[{missing}] is null.", nameof(values));
            }

            GeneratedEmbeddings<Embedding<float>> result = await Task.Factory.StartNew(
                () => Embed(texts, embedding, cancellationToken),
                cancellationToken,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default).ConfigureAwait(false);
            telemetry?.Complete(result.Usage!.InputTokenCount!.Value);
            return result;
        }
        catch (Exception e)
        {
            telemetry?.Fail(e);
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Without a key: <see cref="EmbeddingGeneratorMetadata"/>, <see cref="LanguageModel"/>, <see cref="ModelDescription"/>,
    /// <see cref="ExpertCatalogue"/> and the generator itself.
    /// </remarks>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ModelServices.Find(this, _metadata, _model, serviceType, serviceKey);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            if (_ownsModel)
            {
                _model.Dispose();
            }
        }
    }

    private static FlexKernelEmbeddingOptions Named(FlexKernelEmbeddingOptions options, string directory) =>
        options with { ModelId = options.ModelId ?? ModelIds.Of(directory) };

    private GeneratedEmbeddings<Embedding<float>> Embed(string[] texts, EmbeddingOptions options, CancellationToken cancellationToken)
    {
        int[][] ids = Array.ConvertAll(texts, _model.EncodePrompt);
        int context = _model.Transformer.ContextLength;
        int longest = Array.FindIndex(ids, text => text.Length > context);
        if (longest >= 0 && !options.Truncate)
        {
            throw new ArgumentException($"values[{longest}] has {ids[longest].Length} tokens; the context holds {context}.", nameof(texts));
        }

        float[][] vectors = _embedder.Embed(ids, options, progress: null, cancellationToken);
        DateTimeOffset now = _options.Clock.GetUtcNow();
        long tokens = ids.Sum(text => (long)Math.Min(text.Length, context));
        return new(vectors.Select(vector => new Embedding<float>(vector) { ModelId = _modelId, CreatedAt = now }))
        {
            Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
        };
    }
}
