using System.Runtime.CompilerServices;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using FlexKernel.Generation;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Text;

namespace FlexKernel;

/// <summary>A model ready to write text: tokenizer, weights, transformer and the threads that run it.</summary>
/// <remarks>
/// Thread-safe: any number of generations may run at once. Those of <see cref="GenerateAsync(string, GenerationOptions?, CancellationToken)"/>
/// share every forward pass; generators driven by hand take turns with it.
/// </remarks>
public sealed class LanguageModel : IDisposable
{
    private readonly ModelWeights _weights;
    private readonly Backend _backend;
    private readonly Scheduler _scheduler;
    private readonly Lazy<ChatTemplate?> _template;

    private LanguageModel(ModelWeights weights, ByteLevelBpeTokenizer tokenizer, Lazy<ChatTemplate?> template, LanguageModelOptions options)
    {
        _weights = weights;
        Tokenizer = tokenizer;
        _template = template;
        Experts = ExpertCatalogue.Of(weights.Description);
        _backend = CpuBackend.Create(options.Path ?? KernelPaths.Default, options.Threads ?? Environment.ProcessorCount);
        Transformer = new Transformer(weights, _backend, options.Transformer);
        Batch = new GenerationBatch(Transformer);
        _scheduler = new Scheduler(this);
        UsableVocabulary = Math.Min(tokenizer.VocabularySize, weights.Description.VocabularySize);
    }

    /// <summary>What the model is.</summary>
    public ModelDescription Description => _weights.Description;

    /// <summary>Its experts by name; empty for a dense model.</summary>
    public ExpertCatalogue Experts { get; }

    /// <summary>Its tokenizer.</summary>
    public ByteLevelBpeTokenizer Tokenizer { get; }

    /// <summary>How conversations become prompts, as the model directory says; null if it says nothing. Read when first asked for.</summary>
    /// <exception cref="ChatTemplateException">The template is malformed.</exception>
    /// <exception cref="CheckpointException">Its file cannot be read.</exception>
    public ChatTemplate? ChatTemplate => _template.Value;

    /// <summary>Path and threads in use.</summary>
    public string BackendDescription => _backend.Description;

    /// <summary>Bytes of the packed weights.</summary>
    public long WeightBytes => _weights.ByteCount;

    /// <summary>The model itself, for work below the level of text. Not thread-safe: hold <see cref="Gate"/> around every use.</summary>
    public Transformer Transformer { get; }

    /// <summary>Held around every use of <see cref="Transformer"/>.</summary>
    public Lock Gate { get; } = new();

    internal GenerationBatch Batch { get; }

    // Embedding rows beyond the tokenizer's ids are padding and must never be written.
    internal int UsableVocabulary { get; }

    /// <summary>Loads a model directory: <c>config.json</c>, safetensors weights, <c>tokenizer.json</c>.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="options">How to load and run.</param>
    /// <param name="progress">Told how far the reading is.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    /// <exception cref="CheckpointException">A file is missing, malformed, or does not agree with the configuration.</exception>
    public static LanguageModel Load(
        string directory, LanguageModelOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new LanguageModelOptions();
        string tokenizer = Path.Combine(directory, "tokenizer.json"), config = Path.Combine(directory, "tokenizer_config.json");
        ByteLevelBpeTokenizer text = ByteLevelBpeTokenizer.Load(tokenizer, File.Exists(config) ? config : null);
        Lazy<ChatTemplate?> template = new(() => Chat.ChatTemplate.Find(directory));
        ModelWeights weights = ModelLoader.Load(
            directory, options.Loading with { Threads = options.Loading.Threads ?? options.Threads }, progress, cancellationToken);
        try
        {
            return new LanguageModel(weights, text, template, options);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>The ids of a prompt, led by what the tokenizer's template puts before a text; an empty one begins as texts do.</summary>
    /// <param name="prompt">The text; added tokens in it are parsed.</param>
    /// <exception cref="ArgumentException">The prompt is empty, and the model names no token that begins a text.</exception>
    public int[] EncodePrompt(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int[] ids = [.. Tokenizer.PrefixIds, .. Tokenizer.Encode(prompt)];
        if (ids.Length > 0)
        {
            return ids;
        }

        int? first = Tokenizer.BosId ?? Description.BeginOfSequenceId ?? Tokenizer.EosId;
        first ??= Description.EndOfSequenceIds.IsEmpty ? null : Description.EndOfSequenceIds[0];
        return first is { } id ? [id] : throw new ArgumentException("The prompt is empty, and the model names no token that begins a text.", nameof(prompt));
    }

    /// <summary>Starts a generation to be driven token by token.</summary>
    /// <param name="prompt">Token ids; at least one.</param>
    /// <param name="options">What is asked for.</param>
    /// <exception cref="ArgumentException">The prompt is empty or longer than the context, or the options name unknown experts.</exception>
    public Generator Start(ReadOnlySpan<int> prompt, GenerationOptions? options = null) => new(this, prompt, options ?? new GenerationOptions());

    /// <summary>Writes a continuation of a text and streams it.</summary>
    /// <param name="prompt">The text to continue; added tokens in it are parsed.</param>
    /// <param name="options">What is asked for; greedy and 256 tokens by default.</param>
    /// <param name="cancellationToken">Ends the generation between two tokens.</param>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        return GenerateAsync(EncodePrompt(prompt), options, cancellationToken);
    }

    /// <summary>Writes a continuation of tokens and streams it.</summary>
    /// <inheritdoc cref="GenerateAsync(string, GenerationOptions?, CancellationToken)"/>
    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        ReadOnlyMemory<int> prompt, GenerationOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Generator generator = Start(prompt.Span, options);
        GenerationJob job = _scheduler.Submit(generator, cancellationToken);
        using CancellationTokenRegistration cancelled = cancellationToken.UnsafeRegister(static s => ((Scheduler)s!).Wake(), _scheduler);
        try
        {
            // The job ends the channel when it is cancelled, after what it holds is given back.
            await foreach (GenerationUpdate update in job.Updates.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return update;
                job.Continue();
            }
        }
        finally
        {
            await job.LeaveAsync().ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scheduler.Dispose();
        lock (Gate)
        {
            Batch.Dispose();
            Transformer.Dispose();
            _backend.Dispose();
            _weights.Dispose();
        }
    }
}

/// <summary>How a <see cref="LanguageModel"/> loads and runs.</summary>
public sealed record LanguageModelOptions
{
    /// <summary>Worker threads; one per processor by default. The results do not depend on it.</summary>
    public int? Threads { get; init; }

    /// <summary>The vector width; the widest by default. The results do not depend on it.</summary>
    public KernelPath? Path { get; init; }

    /// <summary>What is done with the weights.</summary>
    public LoadOptions Loading { get; init; } = new();

    /// <summary>Sizes of context, cache and batch.</summary>
    public TransformerOptions Transformer { get; init; } = new();
}
