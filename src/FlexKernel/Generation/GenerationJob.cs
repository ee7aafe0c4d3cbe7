using System.Threading.Channels;

namespace FlexKernel.Generation;

/// <summary>One generation that a <see cref="Scheduler"/> runs and somebody else reads.</summary>
internal sealed class GenerationJob(Generator generator, Action wake, CancellationToken cancellationToken)
{
    // Enough to keep the engine busy while a slow reader catches up, few enough to stop soon when it leaves.
    private const int UpdatesAhead = 16;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<GenerationUpdate> _updates = Channel.CreateBounded<GenerationUpdate>(
        new BoundedChannelOptions(UpdatesAhead) { SingleReader = true, SingleWriter = true });

    private volatile bool _isAbandoned;
    private volatile GenerationUpdate? _held;

    public Generator Generator { get; } = generator;

    public ChannelReader<GenerationUpdate> Updates => _updates.Reader;

    /// <summary>Nobody wants the rest.</summary>
    public bool IsUnwanted => _isAbandoned || cancellationToken.IsCancellationRequested;

    /// <summary>Whether the reader has to catch up before the generation goes on.</summary>
    public bool IsBehind => _held is not null;

    /// <summary>Told by the reader after each update: there is room again.</summary>
    public void Continue()
    {
        if (_held is not null)
        {
            wake();
        }
    }

    /// <summary>Told by the reader when it is done, whether or not the text is; completes when the generation holds nothing any more.</summary>
    public Task LeaveAsync()
    {
        _isAbandoned = true;
        wake();
        return _ended.Task;
    }

    /// <summary>Keeps the token that was just drawn until it is published.</summary>
    public void HoldToken() => _held = Generator.ToUpdate();

    /// <summary>Hands the token held to the reader.</summary>
    /// <returns>False when the reader is behind: the generation has to wait.</returns>
    public bool TryPublish()
    {
        // Held before the attempt, so that a reader who makes room during it wakes the scheduler.
        if (_held is { } update && _updates.Writer.TryWrite(update))
        {
            _held = null;
        }

        return _held is null;
    }

    /// <summary>Ends the job, with an error or without, and gives everything back.</summary>
    public void End(Exception? error)
    {
        Generator.Dispose();
        _updates.Writer.TryComplete(error);
        _ended.TrySetResult();
    }
}
