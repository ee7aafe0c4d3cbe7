namespace FlexKernel.Distribution;

/// <summary>A failure that may pass when the request is repeated.</summary>
internal sealed class TransientException(string message, TimeSpan? retryAfter = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>How long the server wants to be left alone, if it said so.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>Waits between attempts, longer after each failure, and ends them when nothing helps.</summary>
internal sealed class Retries(string what, PullOptions options)
{
    // Less progress than this between two failures counts as none: a server that sends a byte at a time cannot hold a pull for ever.
    private const long Progress = 1 << 16;

    private static readonly TimeSpan First = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private int _failures;

    /// <summary>Waits before the next attempt.</summary>
    /// <param name="failure">What happened.</param>
    /// <param name="progress">Bytes that arrived before it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="PullException">There were enough attempts, or the server asks for a longer wait than anybody has.</exception>
    public async Task WaitAsync(TransientException failure, long progress, CancellationToken cancellationToken)
    {
        _failures = progress >= Progress ? 1 : _failures + 1;
        if (_failures >= options.Attempts)
        {
            throw new PullException(PullError.GaveUp, $"{what}: gave up after {_failures} attempts: {failure.Message}", failure);
        }

        if (failure.RetryAfter > Patience)
        {
            throw new PullException(
                PullError.GaveUp,
                $"{what}: {failure.Message}, and the server asks to wait {failure.RetryAfter.Value.TotalSeconds:0} s",
                failure);
        }

        // A random share keeps many clients of a server that came back from asking all at once.
        TimeSpan wait = First * Math.Pow(2, _failures - 1) * (1 + Random.Shared.NextDouble() / 2);
        wait = wait < Longest ? wait : Longest;
        await Task.Delay(failure.RetryAfter > wait ? failure.RetryAfter.Value : wait, options.Clock, cancellationToken);
    }
}
