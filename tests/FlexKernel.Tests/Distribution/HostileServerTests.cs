using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Distribution;
using Xunit;

namespace FlexKernel.Tests.Distribution;

/// <summary>Servers that lie, stumble or change their mind: a typed error, or the right files.</summary>
public sealed class HostileServerTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private const string Part = "HTTP/1.1 206 Partial Content\r\n";
    private const string Length = "Content-Length: {count}\r\n";
    private const string Range = "Content-Range: bytes {first}-{last}/{length}\r\n";
    private const string Tag = "ETag: {tag}\r\n\r\n";
    private readonly TemporaryDirectory _source = PullRun.ModelOf("olmoe");
    private readonly TemporaryDirectory _results = new();
    private readonly TestWebServer _server;

    public HostileServerTests() => _server = new TestWebServer(_source.Path);

    private static bool IsData(WebRequest request) => request.Name == Weights && request.Range!.Value.First > 8;

    /// <summary>What a part of the weights may come with, and the error it leads to.</summary>
    public static TheoryData<string, PullError> WrongParts => new()
    {
        { Part + Length + Tag, PullError.ResponseInvalid },
        { Part + Length + "Content-Range: bytes 0-{count}/{length}\r\n" + Tag, PullError.ResponseInvalid },
        { Part + Length + "Content-Range: bytes {first}-{last}/*\r\n" + Tag, PullError.ResponseInvalid },
        { Part + Length + "Content-Range: items {first}-{last}/{length}\r\n" + Tag, PullError.ResponseInvalid },
        { Part + "Content-Length: 7\r\n" + Range + Tag, PullError.ResponseInvalid },
        { Part + "Content-Range: bytes {first}-{last}/9999999\r\n" + Tag, PullError.SourceChanged },
        { Part + Range + "ETag: \"other\"\r\n\r\n", PullError.SourceChanged },
        { Part + Range + "\r\n", PullError.SourceChanged },
        { "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"other\"\r\n\r\n", PullError.SourceChanged },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: {tag}\r\n\r\n", PullError.SourceChanged },
        { Part + "Content-Encoding: gzip\r\n" + Range + Tag, PullError.ResponseInvalid },
        { "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", PullError.SourceChanged },
        { "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n", PullError.ResponseInvalid },
        { "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", PullError.AccessDenied },
        { "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", PullError.RedirectRefused },
        { "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n", PullError.RedirectRefused },
        { "HTTP/1.1 302 Found\r\nLocation: model.safetensors\r\nContent-Length: 0\r\n\r\n", PullError.RedirectRefused },
        { "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/x\r\nContent-Length: 0\r\n\r\n", PullError.InsecureConnection },
        { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", PullError.GaveUp },
        { "HTTP/1.1 503 Busy\r\nRetry-After: 4000\r\nContent-Length: 0\r\n\r\n", PullError.GaveUp },
        { "nonsense\r\n\r\n", PullError.ResponseInvalid },
    };

    [Theory]
    [MemberData(nameof(WrongParts))]
    public async Task Part_ThatIsNotTheOneAskedFor_IsATypedError(string head, PullError error)
    {
        _server.Intercept = request => IsData(request) ? Encoding.ASCII.GetBytes(Fill(head, request)) : null;

        await PullRun.FailsAsync(error, _server.Address, _results["pulled"], PullRun.Quick("0"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_LongerThanTheRange_IsRefused(bool isChunked)
    {
        _server.Intercept = request =>
        {
            if (!IsData(request))
            {
                return null;
            }

            int count = (int)(request.Range!.Value.Last - request.Range.Value.First + 1) + 3;
            string head = Fill(Part + Range + "ETag: {tag}\r\n", request);
            string framing = isChunked ? $"Transfer-Encoding: chunked\r\n\r\n{count:x}\r\n" : "Connection: close\r\n\r\n";
            byte[] end = Encoding.ASCII.GetBytes(isChunked ? "\r\n0\r\n\r\n" : "");
            return [.. Encoding.ASCII.GetBytes(head + framing), .. new byte[count], .. end];
        };

        await PullRun.FailsAsync(PullError.ResponseInvalid, _server.Address, _results["pulled"], PullRun.Quick("0"));
    }

    [Fact]
    public async Task Body_ThatAlwaysEndsEarly_IsGivenUp()
    {
        _server.Intercept = request => IsData(request)
            ? Encoding.ASCII.GetBytes(Fill(Part + Range + Tag + "x", request))
            : null;

        PullException e = await PullRun.FailsAsync(PullError.GaveUp, _server.Address, _results["pulled"], PullRun.Quick("0"));

        Assert.Contains("6 attempts", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_ThatBreaksNowAndThen_EndsWithTheRightFiles()
    {
        int number = 0;
        byte[] content = TestData.Bytes(_source[Weights]);
        _server.Intercept = request =>
        {
            if (!IsData(request) || Interlocked.Increment(ref number) % 3 == 0)
            {
                return null;
            }

            // Half of the part, then the end of the connection.
            (long first, long last) = request.Range!.Value;
            string head = Fill(Part + Length + Range + Tag, request);
            return [.. Encoding.ASCII.GetBytes(head), .. content[(int)first..(int)(first + (last - first) / 2)]];
        };

        // One connection: with several, chance could give all failures to one part.
        await PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick("0", "4") with { Connections = 1 });
        await PullRun.RunAsync(_source.Path, _results["expected"], PullRun.Quick("0", "4"));

        Assert.Equal(PullRun.Contents(_results["expected"]), PullRun.Contents(_results["pulled"]));
        Assert.True(number > 6);
    }

    [Fact]
    public async Task Part_AnsweredWithTheWholeFile_IsReadThrough()
    {
        byte[] content = TestData.Bytes(_source[Weights]);
        _server.Intercept = request => IsData(request)
            ? [.. Encoding.ASCII.GetBytes(Fill("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: {tag}\r\n\r\n", request)), .. content]
            : null;

        await PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick("0", "4"));
        await PullRun.RunAsync(_source.Path, _results["expected"], PullRun.Quick("0", "4"));

        Assert.Equal(PullRun.Contents(_results["expected"]), PullRun.Contents(_results["pulled"]));
    }

    [Theory]
    [InlineData("429 Slow", "Retry-After: 7", 7)]
    [InlineData("503 Busy", "Retry-After: Thu, 01 Jan 2026 00:02:00 GMT", 120)]
    [InlineData("500 Oops", "X: y", 0.5)]
    [InlineData("408 Late", "Retry-After: 0", 0.5)]
    public async Task Busy_IsRepeatedAfterTheTimeAskedFor(string status, string header, double seconds)
    {
        int left = 2;
        _server.Intercept = request =>
            IsData(request) && Interlocked.Decrement(ref left) >= 0 ? TestWebServer.Answer(status, header, "Content-Length: 0") : null;
        HastyClock clock = new();

        await PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick("0") with { Clock = clock, Connections = 1 });

        Assert.Equal(2, clock.Waits.Count);
        Assert.InRange(clock.Waits[0].TotalSeconds, seconds, seconds * 1.5);
        Assert.True(clock.Waits[1] >= clock.Waits[0] || seconds > 1);
    }

    [Fact]
    public async Task SilentServer_IsAskedAgain()
    {
        int stalls = 1;
        _server.BeforePiece = async _ =>
        {
            if (Interlocked.Decrement(ref stalls) >= 0)
            {
                await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
            }
        };

        await PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick("0") with { ReadTimeout = TimeSpan.FromSeconds(2) });

        Assert.Equal(["pulled"], _results.Names);
    }

    [Fact]
    public async Task EndlessHeader_EndsInATypedError()
    {
        _server.Intercept = request => TestWebServer.Answer("200 OK", "X: " + new string('x', 1 << 20));

        await PullRun.FailsAsync(PullError.ResponseInvalid, _server.Address, _results["pulled"], PullRun.Quick());
    }

    [Theory]
    [InlineData(100_000_001UL, 200_000_000L, CheckpointError.HeaderTooLarge)]
    [InlineData(ulong.MaxValue, long.MaxValue, CheckpointError.HeaderTooLarge)]
    [InlineData(1000UL, 500L, CheckpointError.InvalidHeaderLength)]
    public async Task WeightHeader_ThatClaimsTooMuch_IsRefusedBeforeItIsRead(ulong claimed, long length, CheckpointError error)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, claimed);
        string range = string.Create(CultureInfo.InvariantCulture, $"Content-Range: bytes 0-7/{length}");
        _server.Intercept = request => request.Name == Weights
            ? TestWebServer.Answer("206 Partial Content", prefix, "Content-Length: 8", range)
            : null;

        CheckpointException e = await Assert.ThrowsAsync<CheckpointException>(
            () => PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick()));

        Assert.Equal(error, e.Error);
        Assert.Single(_server.Requests, request => request.Name == Weights);
    }

    [Theory]
    [InlineData("../evil.safetensors")]
    [InlineData("/etc/evil.safetensors")]
    [InlineData("..\\\\evil.safetensors")]
    [InlineData("a/b.safetensors")]
    [InlineData("http://127.0.0.1/evil.safetensors")]
    [InlineData(".safetensors")]
    public async Task Index_ThatLeavesTheDirectory_IsRefused(string shard)
    {
        _source.Write(WeightFiles.IndexFileName, Encoding.UTF8.GetBytes($$"""{"weight_map": {"a": "{{shard}}"} }"""));

        CheckpointException e = await Assert.ThrowsAsync<CheckpointException>(
            () => PullRun.RunAsync(_server.Address, _results["pulled"], PullRun.Quick()));

        Assert.Equal(CheckpointError.InvalidShardName, e.Error);
        Assert.DoesNotContain(_server.Requests, request => request.Name.Contains("evil", StringComparison.Ordinal));
        Assert.Empty(_results.Names);
    }

    [Fact]
    public async Task Index_OfAFileThatIsMissing_IsRefused()
    {
        _source.Write(WeightFiles.IndexFileName, """{"weight_map": {"a": "model-1.safetensors"}}"""u8);

        await PullRun.FailsAsync(PullError.NotFound, _server.Address, _results["pulled"], PullRun.Quick());
    }

    [Fact]
    public async Task SmallFile_ThatIsHuge_IsNotRead()
    {
        _server.Intercept = request => request.Name == "config.json"
            ? TestWebServer.Answer("206 P", new byte[65536], "Content-Length: 65536", "Content-Range: bytes 0-65535/900000000000")
            : null;

        await PullRun.FailsAsync(PullError.TooLarge, _server.Address, _results["pulled"], PullRun.Quick());

        Assert.Single(_server.Requests, request => request.Name == "config.json");
    }

    public void Dispose()
    {
        _server.Dispose();
        _source.Dispose();
        _results.Dispose();
    }

    private string Fill(string head, WebRequest request)
    {
        (long first, long last) = request.Range!.Value;
        return new StringBuilder(head)
            .Replace("{first}", first.ToString(CultureInfo.InvariantCulture))
            .Replace("{last}", last.ToString(CultureInfo.InvariantCulture))
            .Replace("{count}", (last - first + 1).ToString(CultureInfo.InvariantCulture))
            .Replace("{length}", new FileInfo(_source[Weights]).Length.ToString(CultureInfo.InvariantCulture))
            .Replace("{tag}", _server.Tag(Weights))
            .ToString();
    }
}
