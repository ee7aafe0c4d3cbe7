using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace FlexKernel.Tests.Distribution;

/// <summary>A request as it arrived.</summary>
internal sealed record WebRequest(string Name, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>First and last byte asked for.</summary>
    public (long First, long Last)? Range
    {
        get
        {
            if (!Headers.TryGetValue("Range", out string? text))
            {
                return null;
            }

            string[] ends = text["bytes=".Length..].Split('-');
            return (long.Parse(ends[0], CultureInfo.InvariantCulture), long.Parse(ends[1], CultureInfo.InvariantCulture));
        }
    }
}

/// <summary>Serves the files of a directory on this machine: correctly, or as badly as a test wants.</summary>
internal sealed class TestWebServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _directory;
    private long _bodyBytes;

    public TestWebServer(string directory)
    {
        _directory = directory;
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>The address of the directory.</summary>
    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/";

    /// <summary>What was asked for.</summary>
    public ConcurrentQueue<WebRequest> Requests { get; } = new();

    /// <summary>Bytes of content that were sent.</summary>
    public long BodyBytes => Interlocked.Read(ref _bodyBytes);

    /// <summary>Whether parts of files are served.</summary>
    public bool HasRanges { get; set; } = true;

    /// <summary>Whether answers carry an entity tag.</summary>
    public bool HasTags { get; set; } = true;

    /// <summary>Answers a request instead of the files, with raw bytes; the connection ends behind them. Null: the files answer.</summary>
    public Func<WebRequest, byte[]?> Intercept { get; set; } = _ => null;

    /// <summary>Called before every piece of content that the files answer with, with the bytes sent so far.</summary>
    public Func<long, Task> BeforePiece { get; set; } = _ => Task.CompletedTask;

    /// <summary>An answer without content.</summary>
    public static byte[] Answer(string status, params string[] headers) =>
        Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\n{string.Concat(headers.Select(header => header + "\r\n"))}\r\n");

    /// <summary>An answer with content.</summary>
    public static byte[] Answer(string status, byte[] content, params string[] headers) => [.. Answer(status, headers), .. content];

    /// <summary>What the server tags a file with.</summary>
    public string Tag(string name) =>
        $"\"{Convert.ToHexStringLower(SHA256.HashData(TestData.Bytes(Path.Combine(_directory, name))))[..16]}\"";

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = Task.Run(() => ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await using NetworkStream stream = client.GetStream();
                while (await ReadRequestAsync(stream) is { } request)
                {
                    Requests.Enqueue(request);
                    if (Intercept(request) is { } raw)
                    {
                        await stream.WriteAsync(raw, _stop.Token);
                        return;
                    }

                    await ServeFileAsync(stream, request);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The client left, or the test is over.
            }
        }
    }

    private async Task ServeFileAsync(NetworkStream stream, WebRequest request)
    {
        string path = Path.Combine(_directory, request.Name);
        if (!File.Exists(path))
        {
            await stream.WriteAsync(Answer("404 Not Found", "Content-Length: 0"), _stop.Token);
            return;
        }

        byte[] content = TestData.Bytes(path);
        string tag = Tag(request.Name);
        bool isSame = !request.Headers.TryGetValue("If-Range", out string? condition) || condition == tag;
        bool isPart = HasRanges && request.Range is not null && isSame;
        if (isPart && request.Range!.Value.First >= content.Length)
        {
            await stream.WriteAsync(
                Answer("416 Range Not Satisfiable", "Content-Length: 0", $"Content-Range: bytes */{content.Length}"), _stop.Token);
            return;
        }

        long first = isPart ? request.Range!.Value.First : 0;
        long last = isPart ? Math.Min(request.Range!.Value.Last, content.Length - 1) : content.Length - 1;
        List<string> headers = [$"Content-Length: {last - first + 1}"];
        if (HasTags)
        {
            headers.Add($"ETag: {tag}");
        }

        if (isPart)
        {
            headers.Add($"Content-Range: bytes {first}-{last}/{content.Length}");
        }

        await stream.WriteAsync(Answer(isPart ? "206 Partial Content" : "200 OK", [.. headers]), _stop.Token);
        const int Piece = 1 << 15;
        for (long at = first; at <= last; at += Piece)
        {
            int count = (int)Math.Min(Piece, last + 1 - at);
            await BeforePiece(BodyBytes);
            await stream.WriteAsync(content.AsMemory((int)at, count), _stop.Token);
            Interlocked.Add(ref _bodyBytes, count);
        }
    }

    private async Task<WebRequest?> ReadRequestAsync(NetworkStream stream)
    {
        StringBuilder text = new();
        byte[] one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
            {
                return null;
            }

            text.Append((char)one[0]);
        }

        string[] lines = text.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        return new WebRequest(
            lines[0].Split(' ')[1].TrimStart('/'),
            lines.Skip(1)
                .Select(line => line.Split(": ", 2))
                .ToDictionary(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase));
    }
}
