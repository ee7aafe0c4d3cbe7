using System.Collections.Concurrent;
using System.Net;
using FlexKernel.Checkpoints;

namespace FlexKernel.Distribution;

/// <summary>A model on a web server, read by byte ranges; a server without them is read through.</summary>
internal sealed class HttpSource(Uri root, PullOptions options) : ModelSource
{
    private const int BufferBytes = 1 << 17;
    private const int MaxLengthlessBytes = ChecksumList.MaxBytes;

    private readonly HttpRequester _requester = new(root, options);
    private readonly ConcurrentDictionary<string, bool> _notes = new();

    public override string Address { get; } = SourceAddress.Show(root);

    public override int Connections => options.Connections;

    public override IEnumerable<string> Notes => _notes.Keys.Order(StringComparer.Ordinal);

    public override async Task<SourceFile?> FindAsync(string name, int startBytes, CancellationToken cancellationToken)
    {
        Retries retries = new(Address + name, options);
        while (true)
        {
            try
            {
                return await FindOnceAsync(name, startBytes, cancellationToken);
            }
            catch (TransientException e)
            {
                await retries.WaitAsync(e, 0, cancellationToken);
            }
        }
    }

    public override async Task ReadAsync(SourceFile file, long offset, long length, ByteSink sink, CancellationToken cancellationToken)
    {
        Retries retries = new(Address + file.Name, options);
        long position = offset, end = offset + length;
        while (position < end)
        {
            long before = position;
            try
            {
                await ReadOnceAsync(file, position, end, Take, cancellationToken);
            }
            catch (TransientException e)
            {
                await retries.WaitAsync(e, position - before, cancellationToken);
            }
        }

        void Take(ReadOnlySpan<byte> bytes)
        {
            sink(bytes);
            position += bytes.Length;
        }
    }

    public override void Dispose()
    {
        _requester.Dispose();
        base.Dispose();
    }

    private async Task<SourceFile?> FindOnceAsync(string name, int startBytes, CancellationToken cancellationToken)
    {
        using Deadline deadline = new(options, cancellationToken);
        using HttpResponseMessage response = await _requester.GetAsync(
            name, 0, startBytes - 1, null, deadline.Restart(), cancellationToken);
        if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone)
        {
            return null;
        }

        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && response.Content.Headers.ContentRange?.Length == 0)
        {
            return new SourceFile(name, 0, VersionOf(response), true, default);
        }

        bool hasRanges = RequireContent(response, name) == HttpStatusCode.PartialContent;
        long? length = hasRanges
            ? LengthFromRange(response, name, 0, startBytes - 1)
            : response.Content.Headers.ContentLength;
        using HttpBody body = await HttpBody.OpenAsync(response, Address + name, deadline, cancellationToken);
        byte[] start = await body.ReadUpToAsync(length is null ? MaxLengthlessBytes : (int)Math.Min(length.Value, startBytes));
        if (length is null)
        {
            await body.RequireEndAsync($"at most {MaxLengthlessBytes} bytes, as the server does not say how many there are");
        }
        else if (start.Length < Math.Min(length.Value, startBytes))
        {
            throw new TransientException($"the connection ended after {start.Length} bytes");
        }
        else if (hasRanges)
        {
            await body.RequireEndAsync($"{start.Length} bytes");
        }

        if (!hasRanges && (length ?? start.Length) > startBytes)
        {
            _notes.TryAdd("the server ignores byte ranges: files are read from their beginning, and what is not wanted is dropped", true);
        }

        return new SourceFile(name, length ?? start.Length, VersionOf(response), hasRanges, start);
    }

    private async Task ReadOnceAsync(SourceFile file, long offset, long end, ByteSink sink, CancellationToken cancellationToken)
    {
        using Deadline deadline = new(options, cancellationToken);

        // A weak tag, or a date, is no condition for a range; the answer's own is compared in any case.
        string? condition = file.Version is { } version && version.StartsWith('"') ? version : null;
        using HttpResponseMessage response = await _requester.GetAsync(
            file.Name, offset, end - 1, condition, deadline.Restart(), cancellationToken);
        string where = Address + file.Name;
        if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone or HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            throw Changed(where, $"{file.Length} bytes", $"status {(int)response.StatusCode}");
        }

        bool isPart = RequireContent(response, file.Name) == HttpStatusCode.PartialContent;
        long? length = isPart ? LengthFromRange(response, file.Name, offset, end - 1) : response.Content.Headers.ContentLength;
        if (length is not null && length != file.Length)
        {
            throw Changed(where, $"{file.Length} bytes", $"{length}");
        }

        if (VersionOf(response) is var found && found != file.Version)
        {
            throw Changed(where, file.Version ?? "no version", found ?? "none");
        }

        using HttpBody body = await HttpBody.OpenAsync(response, where, deadline, cancellationToken);
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(BufferBytes, end - offset));
        if (!isPart)
        {
            await body.CopyAsync(offset, buffer, _ => { });
        }

        await body.CopyAsync(end - offset, buffer, sink);
        if (isPart)
        {
            await body.RequireEndAsync($"{end - offset} bytes");
        }
    }

    private HttpStatusCode RequireContent(HttpResponseMessage response, string name)
    {
        HttpStatusCode status = response.StatusCode;
        string where = Address + name, found = $"status {(int)status} {status}";
        if (status is HttpStatusCode.OK or HttpStatusCode.PartialContent)
        {
            return response.Content.Headers.ContentEncoding.Any(encoding => encoding != "identity")
                ? throw Invalid(where, "content as it is", "a content encoding")
                : status;
        }

        if (status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500)
        {
            DateTimeOffset? date = response.Headers.RetryAfter?.Date;
            throw new TransientException(found, response.Headers.RetryAfter?.Delta ?? date - options.Clock.GetUtcNow());
        }

        throw status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
            ? new PullException(
                PullError.AccessDenied, $"{where}: expected the file, found {found} (credentials: --header, FLEXKERNEL_TOKEN)")
            : Invalid(where, "the file", found);
    }

    // Checks that a part is the one asked for; a file may end before the last byte of the first request.
    private long LengthFromRange(HttpResponseMessage response, string name, long first, long last)
    {
        string where = Address + name, expected = $"Content-Range: bytes {first}-{last}/LENGTH";
        if (response.Content.Headers.ContentRange is not { Unit: "bytes", From: { } from, To: { } to, Length: { } length } || length <= to)
        {
            throw Invalid(where, expected, CheckpointException.Quote($"{response.Content.Headers.ContentRange}"));
        }

        if (from != first || to != Math.Min(last, length - 1))
        {
            throw Invalid(where, expected, $"{from}-{to}/{length}");
        }

        return response.Content.Headers.ContentLength is { } bytes && bytes != to - from + 1
            ? throw Invalid(where, $"{to - from + 1} bytes for the range", $"Content-Length {bytes}")
            : length;
    }

    private static string? VersionOf(HttpResponseMessage response) =>
        response.Headers.ETag?.ToString() ?? response.Content.Headers.LastModified?.ToString("R");

    private static PullException Invalid(string where, string expected, string found) =>
        new(PullError.ResponseInvalid, $"{where}: expected {expected}, found {found}");

    private static PullException Changed(string where, string expected, string found) => new(
        PullError.SourceChanged,
        $"{where}: the file changed while it was fetched: "
        + $"expected {CheckpointException.Quote(expected)}, found {CheckpointException.Quote(found)}");
}
