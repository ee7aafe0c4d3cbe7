using System.Diagnostics;
using FlexKernel.Generation;
using Microsoft.Extensions.Logging;

namespace FlexKernel.Extensions.AI;

/// <summary>How far a hosted model is.</summary>
internal enum ModelState
{
    NotStarted,
    Loading,
    WarmingUp,
    Ready,
    Failed,
}

/// <summary>Loads one model in the background, once, and holds what runs on it.</summary>
internal sealed partial class ModelHost(FlexKernelOptions options, ILogger logger) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Task<Loaded>? _loading;
    private Task _warmingUp = Task.CompletedTask;
    private volatile ModelState _state;
    private WorkProgress _progress;
    private bool _containerOwnsModel;
    private bool _isDisposed;

    public string ModelId { get; } = options.ModelId();

    public ModelState State => _state;

    /// <summary>What is loaded, or null.</summary>
    public Loaded? Current => _loading is { IsCompletedSuccessfully: true } ? _loading.Result : null;

    /// <summary>Why loading failed, or null.</summary>
    public Exception? Failure => _loading?.Exception?.InnerException;

    public (long Done, long Total) Progress
    {
        get
        {
            lock (_gate)
            {
                return (_progress.Done, _progress.Total);
            }
        }
    }

    /// <summary>Begins to load, unless that has begun.</summary>
    public Task<Loaded> Start()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_loading is null)
            {
                _state = ModelState.Loading;
                _loading = Task.Factory.StartNew(Load, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }

            return _loading;
        }
    }

    /// <summary>Waits until the model is loaded; warm-up goes on beside requests.</summary>
    /// <exception cref="InvalidOperationException">It could not be loaded.</exception>
    public Task<Loaded> LoadedAsync(CancellationToken cancellationToken) => Start().WaitAsync(cancellationToken);

    /// <summary>Hands the model to a container, which disposes what it hands out.</summary>
    public LanguageModel Give()
    {
        LanguageModel model = Start().GetAwaiter().GetResult().Model;
        _containerOwnsModel = true;
        return model;
    }

    /// <summary>Ends loading and warm-up.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await ((Task?)_loading ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _warmingUp.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        StopAsync().GetAwaiter().GetResult();
        if (!_containerOwnsModel)
        {
            Current?.Model.Dispose();
        }

        _stop.Dispose();
    }

    private Loaded Load()
    {
        try
        {
            Loaded loaded = LoadParts();
            LogLoaded(logger, ModelId, loaded.Seconds);
            _state = options.WarmUp ? ModelState.WarmingUp : ModelState.Ready;
            _warmingUp = options.WarmUp ? WarmUpAsync(loaded.Model) : Task.CompletedTask;
            return loaded;
        }
        catch (Exception e)
        {
            _state = ModelState.Failed;
            if (!_stop.IsCancellationRequested)
            {
                LogFailed(logger, ModelId, e);
            }

            throw new InvalidOperationException($"The model '{ModelId}' could not be loaded: {e.Message}", e);
        }
    }

    private Loaded LoadParts()
    {
        long start = Stopwatch.GetTimestamp();
        LanguageModel model = LanguageModel.Load(options.ModelPath, options.Loading(), new Reporter(this), _stop.Token);
        try
        {
            FlexKernelChatClient chat = new(model, options.Chat());
            FlexKernelEmbeddingGenerator embeddings = new(model, options.Embedding());
            return new Loaded(model, chat, embeddings, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private async Task WarmUpAsync(LanguageModel model)
    {
        try
        {
            GenerationOptions few = new() { MaxTokens = 4, Experts = options.Experts(), ActiveExperts = options.ActiveExperts };
            await foreach (GenerationUpdate _ in model.GenerateAsync("Warm-up", few, _stop.Token).ConfigureAwait(false))
            {
            }

            _state = ModelState.Ready;
        }
        catch (OperationCanceledException)
        {
            // The host is leaving.
        }
        catch (Exception e)
        {
            // The model is there and requests may still succeed: the health check stays degraded.
            LogWarmUpFailed(logger, ModelId, e);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Model {ModelId} loaded in {Seconds:F1} s.")]
    private static partial void LogLoaded(ILogger logger, string modelId, double seconds);

    [LoggerMessage(2, LogLevel.Error, "Model {ModelId} could not be loaded.")]
    private static partial void LogFailed(ILogger logger, string modelId, Exception error);

    [LoggerMessage(3, LogLevel.Error, "Model {ModelId} could not be warmed up.")]
    private static partial void LogWarmUpFailed(ILogger logger, string modelId, Exception error);

    /// <summary>A loaded model and what runs on it.</summary>
    internal sealed record Loaded(LanguageModel Model, FlexKernelChatClient Chat, FlexKernelEmbeddingGenerator Embeddings, double Seconds);

    private sealed class Reporter(ModelHost host) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
            lock (host._gate)
            {
                host._progress = value;
            }
        }
    }
}
