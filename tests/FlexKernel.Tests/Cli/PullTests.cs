using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Tests.Distribution;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class PullTests
{
    private static readonly string Models = TestData.Repository("models");

    [Fact]
    public async Task Experts_MakeASmallerModelThatRuns()
    {
        using TemporaryDirectory results = new();

        CliRun pull = await CliRun.Of("pull", Models, results["mine"], "--experts", "code,medical");
        CliRun inspect = await CliRun.Of("inspect", results["mine"], "--json");
        CliRun generate = await CliRun.Of(
            "generate", "--model", results["mine"], "--prompt", "The patient was", "--greedy", "--max-tokens", "5", "--threads", "1");

        Assert.Equal(ExitCode.Ok, pull.ExitCode);
        Assert.Matches(@"model\.safetensors +19\.9 MB +[0-9a-f]{64} +made here", pull.Out);
        Assert.Contains("experts: public, code, medical (3 of 6)", pull.Error, StringComparison.Ordinal);
        Assert.Contains("public is kept too: it is the base of medical", pull.Error, StringComparison.Ordinal);
        Assert.Contains("4 tensors could not be checked: only the rows of some experts were fetched", pull.Error, StringComparison.Ordinal);
        Assert.Equal(
            ["public", "code", "medical"],
            inspect.Json[0].GetProperty("experts").EnumerateArray().Select(expert => expert.GetProperty("name").GetString()!));
        Assert.Equal(ExitCode.Ok, generate.ExitCode);
    }

    [Fact]
    public async Task DryRun_TellsWhatItWouldTransferAndWritesNothing()
    {
        using TemporaryDirectory results = new();

        string[] args = ["pull", Models, results["mine"], "--exclude", "code,math", "--dry-run"];
        CliRun text = await CliRun.Of(args);
        JsonElement json = Assert.Single((await CliRun.Of([.. args, "--json"])).Json);

        Assert.Matches(@"model\.safetensors +26\.4 MB +17\.\d MB", text.Out);
        Assert.True(json.GetProperty("partial").GetBoolean());
        Assert.True(json.GetProperty("transfer_bytes").GetInt64() < json.GetProperty("source_bytes").GetInt64());
        Assert.Equal("config.json", json.GetProperty("files")[2].GetProperty("name").GetString());
        Assert.Empty(results.Names);
    }

    [Fact]
    public async Task Json_OfACopy_HasTheDigests()
    {
        using TemporaryDirectory results = new();

        JsonElement json = Assert.Single((await CliRun.Of("pull", Models, results["copy"], "--json", "--quiet")).Json);

        Assert.False(json.GetProperty("partial").GetBoolean());
        Assert.Equal(results["copy"], json.GetProperty("directory").GetString());
        JsonElement weights = json.GetProperty("files").EnumerateArray()
            .Single(file => file.GetProperty("name").GetString() == "model.safetensors");
        Assert.StartsWith("0029aea4", weights.GetProperty("sha256").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WrongCommandLines_AreOneLineWithoutSecrets()
    {
        using TemporaryDirectory results = new();

        (await CliRun.Of("pull", Models, results["a"], "--exclude", "public")).AssertFails(ExitCode.Usage, "'public'", "base of 'legal'");
        (await CliRun.Of("pull", Models, results["a"], "--experts", "law")).AssertFails(ExitCode.Usage, "law", "medical");
        (await CliRun.Of("pull", "ftp://x/y", results["a"])).AssertFails(ExitCode.Usage, "https://");
        (await CliRun.Of("pull", "/nowhere", results["a"])).AssertFails(ExitCode.NotLoaded, "/nowhere");
        (await CliRun.Of("pull", "http://192.0.2.1/m", results["a"])).AssertFails(ExitCode.NotLoaded, "--allow-http");
        (await CliRun.Of("pull", Models, results["a"], "--sha256", "config.json=12")).AssertFails(ExitCode.Usage, "64 hexadecimal digits");
        string pin = $"config.json={new string('0', 64)}";
        (await CliRun.Of("pull", Models, results["a"], "--sha256", pin)).AssertFails(ExitCode.Failed, "config.json");
        CliRun header = await CliRun.Of("pull", Models, results["a"], "--header", "s3cret");
        header.AssertFails(ExitCode.Usage, "NAME: VALUE");
        Assert.DoesNotContain("s3cret", header.Error, StringComparison.Ordinal);
        Assert.Empty(results.Names);
    }

    [Fact]
    public async Task BrokenServer_SaysThatWhatArrivedIsKept()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path)
        {
            Intercept = request => request.Range is { First: > 8 }
                ? TestWebServer.Answer("503 Busy", "Retry-After: 4000", "Content-Length: 0")
                : null,
        };

        CliRun run = await CliRun.Of("pull", server.Address, results["pulled"], "--experts", "0");

        Assert.Equal(ExitCode.NotLoaded, run.ExitCode);
        Assert.Contains("wait 4000 s", run.Error, StringComparison.Ordinal);
        Assert.Contains($"kept in {results["pulled.partial"]}", run.Error, StringComparison.Ordinal);
    }
}
