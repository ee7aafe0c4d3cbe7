namespace FlexKernel.Distribution;

/// <summary>Ends what takes too long between two signs of life.</summary>
internal sealed class Deadline(PullOptions options, CancellationToken cancellationToken) : IDisposable
{
    private readonly CancellationTokenSource _source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>Starts the time anew.</summary>
    public CancellationToken Restart()
    {
        _source.CancelAfter(options.ReadTimeout);
        return _source.Token;
    }

    /// <summary>Stops the time while nobody waits for the server.</summary>
    public void Pause() => _source.CancelAfter(Timeout.InfiniteTimeSpan);

    public void Dispose() => _source.Dispose();
}

/// <summary>The content of a response, read with a deadline for every piece.</summary>
internal sealed class HttpBody : IDisposable
{
    private readonly Stream _stream;
    private readonly string _where;
    private readonly Deadline _deadline;
    private readonly CancellationToken _cancellationToken;

    private HttpBody(Stream stream, string where, Deadline deadline, CancellationToken cancellationToken)
    {
        _stream = stream;
        _where = where;
        _deadline = deadline;
        _cancellationToken = cancellationToken;
    }

    /// <summary>Opens the content.</summary>
    public static async Task<HttpBody> OpenAsync(
        HttpResponseMessage response, string where, Deadline deadline, CancellationToken cancellationToken) =>
        new(await response.Content.ReadAsStreamAsync(cancellationToken), where, deadline, cancellationToken);

    /// <summary>Reads bytes up to a number, or to the end of the content.</summary>
    public async Task<byte[]> ReadUpToAsync(int most)
    {
        using MemoryStream content = new();
        byte[] buffer = new byte[Math.Min(most, 1 << 16)];
        while (content.Length < most
            && await ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, most - content.Length))) is var count and > 0)
        {
            content.Write(buffer, 0, count);
        }

        return content.ToArray();
    }

    /// <summary>Hands bytes on.</summary>
    /// <exception cref="TransientException">The content ended too early.</exception>
    public async Task CopyAsync(long length, Memory<byte> buffer, ByteSink sink)
    {
        for (long done = 0; done < length;)
        {
            int count = await ReadAsync(buffer[..(int)Math.Min(buffer.Length, length - done)]);
            if (count == 0)
            {
                throw new TransientException($"the connection ended {length - done} bytes too early");
            }

            sink(buffer.Span[..count]);
            done += count;
        }
    }

    /// <summary>Checks that nothing follows.</summary>
    /// <exception cref="PullException">There is more.</exception>
    public async Task RequireEndAsync(string expected)
    {
        if (await ReadAsync(new byte[1]) != 0)
        {
            throw new PullException(PullError.ResponseInvalid, $"{_where}: expected {expected}, found more");
        }
    }

    public void Dispose() => _stream.Dispose();

    private async Task<int> ReadAsync(Memory<byte> destination)
    {
        try
        {
            int count = await _stream.ReadAsync(destination, _deadline.Restart());
            _deadline.Pause();
            return count;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
        {
            throw HttpRequester.Sort(e, _where, _cancellationToken);
        }
    }
}
