using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class PackingTests
{
    private static readonly string[] Prompt = ["--prompt", "The patient was", "--greedy", "--max-tokens", "6", "--quiet"];

    [Fact]
    public async Task Quantize_ThenGenerate_WritesWhatQuantisingAtLoadDoes()
    {
        using TemporaryDirectory directory = new();
        string models = TestData.Repository("models"), packed = directory["packed"];
        CliRun written = await CliRun.Of("quantize", "--model", models, "--out", packed, "--weights", "q4c", "--head-weights", "q8", "--json");
        Assert.Equal((ExitCode.Ok, ""), (written.ExitCode, written.Error));
        Assert.Equal(packed, written.Json[0].GetProperty("directory").GetString());
        Assert.Contains("tokenizer.json", written.Json[0].GetProperty("copied").EnumerateArray().Select(n => n.GetString()));

        CliRun inspected = await CliRun.Of("inspect", packed, "--json");
        Assert.Equal(ExitCode.Ok, inspected.ExitCode);
        Assert.True(inspected.Json[0].GetProperty("stored_bytes_by_type").TryGetProperty("Q4C", out _));

        CliRun all = await CliRun.Of("quantize", "--model", models, "--out", packed, "--weights", "q4c", "--force", "--quiet");
        Assert.Equal((ExitCode.Ok, "", ""), (all.ExitCode, all.Out, all.Error));
        CliRun fromFile = await CliRun.Of(["generate", "--model", packed, .. Prompt]);
        CliRun atLoad = await CliRun.Of(["generate", "--model", models, "--weights", "q4c", .. Prompt]);
        Assert.Equal(ExitCode.Ok, fromFile.ExitCode);
        Assert.Equal(atLoad.Out, fromFile.Out);

        CliRun other = await CliRun.Of(["generate", "--model", packed, "--weights", "q8", .. Prompt]);
        other.AssertFails(ExitCode.Usage, packed, "Q4C", "Q8");
    }

    [Fact]
    public async Task Quantize_WithoutDestination_IsAUsageError() =>
        (await CliRun.Of("quantize")).AssertFails(ExitCode.Usage, "--out");

    [Fact]
    public async Task Cache_AfterALoad_ListsAndPurges()
    {
        using TemporaryDirectory directory = new();
        string models = TestData.Repository("models"), cache = directory["cache"];
        CliRun direct = await CliRun.Of(["generate", "--model", models, "--weights", "q8", .. Prompt]);
        for (int i = 0; i < 2; i++)
        {
            CliRun cached = await CliRun.Of(["generate", "--model", models, "--weights", "q8", "--cache-dir", cache, .. Prompt]);
            Assert.Equal((ExitCode.Ok, direct.Out), (cached.ExitCode, cached.Out));
        }

        CliRun list = await CliRun.Of("cache", "--cache-dir", cache, "--json");
        Assert.Equal(("weights=Q8", Path.TrimEndingDirectorySeparator(Path.GetFullPath(models))), (
            Assert.Single(list.Json).GetProperty("formats").GetString(), list.Json[0].GetProperty("model").GetString()));
        Assert.Contains("Q8", (await CliRun.Of("cache", "list", "--cache-dir", cache)).Out, StringComparison.Ordinal);

        CliRun purge = await CliRun.Of("cache", "purge", "--model", models, "--cache-dir", cache);
        Assert.Equal(ExitCode.Ok, purge.ExitCode);
        Assert.Contains("deleted 1 entry", purge.Error, StringComparison.Ordinal);
        Assert.Contains("nothing", (await CliRun.Of("cache", "--cache-dir", cache)).Error, StringComparison.Ordinal);
        (await CliRun.Of("cache", "shrink", "--cache-dir", cache)).AssertFails(ExitCode.Usage, "purge", "shrink");
        (await CliRun.Of("cache", "--model", models, "--cache-dir", cache)).AssertFails(ExitCode.Usage, "--model");
    }
}
