using System.Collections.Frozen;
using FlexKernel.Distribution;
using Xunit;

namespace FlexKernel.Tests.Distribution;

public sealed class HttpPolicyTests
{
    private static readonly Dictionary<string, string> Secret = new() { ["Authorization"] = "Bearer s3cret", ["X-Key"] = "s3cret" };

    [Fact]
    public async Task Credentials_GoToTheHostOfTheAddressAndToNoOther()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer first = new(source.Path), other = new(source.Path);
        first.Intercept = request => request.Name.EndsWith(".safetensors", StringComparison.Ordinal)
            ? TestWebServer.Answer("302 Found", $"Location: {other.Address}{request.Name}?signature=abc", "Content-Length: 0")
            : null;
        other.Intercept = request => request.Name.Contains('?', StringComparison.Ordinal)
            ? TestWebServer.Answer("307 Temporary Redirect", $"Location: /{request.Name.Split('?')[0]}", "Content-Length: 0")
            : null;

        await PullRun.RunAsync(first.Address, results["pulled"], PullRun.Quick("0") with { Headers = Secret });

        Assert.All(first.Requests, request => Assert.Equal("Bearer s3cret", request.Headers["Authorization"]));
        Assert.All(first.Requests, request => Assert.Equal("s3cret", request.Headers["X-Key"]));
        Assert.NotEmpty(other.Requests);
        Assert.All(
            other.Requests,
            request => Assert.DoesNotContain("s3cret", string.Concat(request.Headers.Values), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Token_IsSent_AndAGivenHeaderWins()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path);

        await PullRun.RunAsync(server.Address, results["token"], PullRun.Quick("0") with { Token = "t0ken" });
        Assert.All(server.Requests, request => Assert.Equal("Bearer t0ken", request.Headers["Authorization"]));
        server.Requests.Clear();
        await PullRun.RunAsync(server.Address, results["header"], PullRun.Quick("0") with { Token = "t0ken", Headers = Secret });
        Assert.All(server.Requests, request => Assert.Equal("Bearer s3cret", request.Headers["Authorization"]));
    }

    [Fact]
    public async Task Errors_NeverShowCredentials()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path) { Intercept = _ => TestWebServer.Answer("401 No", "Content-Length: 0") };

        PullException denied = await PullRun.FailsAsync(
            PullError.AccessDenied, server.Address, results["pulled"], PullRun.Quick() with { Headers = Secret });
        PullException address = await PullRun.FailsAsync(
            PullError.AddressInvalid, "https://user:s3cret@example.org/", results["pulled"], PullRun.Quick());
        PullException broken = await PullRun.FailsAsync(
            PullError.AddressInvalid, "https://user:s3cret@/ /", results["pulled"], PullRun.Quick());
        ArgumentException header = await Assert.ThrowsAsync<ArgumentException>(() => PullRun.RunAsync(
            server.Address, results["pulled"], PullRun.Quick() with { Headers = Header("Authorization", "s3cret\r\nHost: x") }));

        string told = string.Join('\n', (Exception[])[denied, address, broken, header]);
        Assert.DoesNotContain("s3cret", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Range")]
    [InlineData("if-range")]
    [InlineData("Host")]
    [InlineData("a b")]
    [InlineData("")]
    public async Task Header_ThatTheTransferUsesItself_IsRefused(string name)
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path);

        await Assert.ThrowsAsync<ArgumentException>(() => PullRun.RunAsync(
            server.Address, results["pulled"], PullRun.Quick() with { Headers = Header(name, "x") }));

        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("http://192.0.2.1/model", PullError.InsecureConnection)]
    [InlineData("ftp://example.org/model", PullError.AddressInvalid)]
    [InlineData("https://example.org/model?token=x", PullError.AddressInvalid)]
    [InlineData("https://example.org/model#x", PullError.AddressInvalid)]
    [InlineData("file://host/model", PullError.AddressInvalid)]
    [InlineData("file:///nowhere/model", PullError.NotFound)]
    [InlineData("/nowhere/model", PullError.NotFound)]
    public async Task Address_ThatIsNotAcceptable_IsATypedError(string address, PullError error)
    {
        using TemporaryDirectory results = new();

        await PullRun.FailsAsync(error, address, results["pulled"], PullRun.Quick());
    }

    [Theory]
    [InlineData("https://a.example/m", "http://a.example/m", PullError.InsecureConnection)]
    [InlineData("https://a.example/m", "http://127.0.0.1/m", PullError.InsecureConnection)]
    [InlineData("https://a.example/m", "https://localhost/m", PullError.RedirectRefused)]
    [InlineData("https://a.example/m", "file:///etc/passwd", PullError.RedirectRefused)]
    [InlineData("https://a.example/m", "https://u:p@b.example/m", PullError.RedirectRefused)]
    [InlineData("http://127.0.0.1/m", "http://a.example/m", PullError.InsecureConnection)]
    public void Redirect_ThatIsNotAcceptable_IsATypedError(string from, string to, PullError error)
    {
        PullException e = Assert.Throws<PullException>(() => HttpRequester.Follow(new Uri(from), new Uri(to), allowHttp: false));

        Assert.Equal(error, e.Error);
    }

    [Fact]
    public void Redirect_ToAnotherHostByHttps_IsFollowed() =>
        Assert.Equal(
            "https://b.example/x?signature=1",
            HttpRequester.Follow(new Uri("https://a.example/m"), new Uri("https://b.example/x?signature=1"), allowHttp: false).AbsoluteUri);

    [Fact]
    public async Task UnknownHost_IsAnErrorAtOnce()
    {
        using TemporaryDirectory results = new();
        HastyClock clock = new();

        PullOptions options = PullRun.Quick() with { Clock = clock };
        await PullRun.FailsAsync(PullError.GaveUp, "https://no-such-host.invalid/m", results["pulled"], options);

        Assert.Empty(clock.Waits);
    }

    private static FrozenDictionary<string, string> Header(string name, string value) =>
        new Dictionary<string, string> { [name] = value }.ToFrozenDictionary();
}
