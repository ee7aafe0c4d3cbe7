using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class InspectTests
{
    public static TheoryData<string> Counts =>
        [.. Directory.GetDirectories(TestData.Fixture("counts")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task Json_OfAConfiguration_HasTheReferenceCounts(string name)
    {
        string directory = TestData.Fixture(Path.Combine("counts", name));
        JsonElement expected = JsonElement.Parse(File.ReadAllText(Path.Combine(directory, "counts.json")));

        JsonElement report = Assert.Single((await CliRun.Of("inspect", directory, "--json")).Json);

        Assert.Equal(Path.Combine(directory, "config.json"), report.GetProperty("source").GetString());
        Assert.Equal(expected.GetProperty("total_parameters").GetInt64(), report.GetProperty("total_parameters").GetInt64());
        if (expected.TryGetProperty("active", out JsonElement active))
        {
            Assert.Equal(
                active.EnumerateArray().Select(a => (Number(a, "k"), Number(a, "active_min"), Number(a, "active_max"))),
                report.GetProperty("active").EnumerateArray().Select(a =>
                    (Number(a, "k"), Number(a.GetProperty("parameters"), "min"), Number(a.GetProperty("parameters"), "max"))));
        }

        static long Number(JsonElement item, string key) => item.GetProperty(key).GetInt64();
    }

    [Fact]
    public async Task Json_OfAModel_HasItsStoredBytes()
    {
        JsonElement report = Assert.Single((await CliRun.Of("inspect", TestData.Repository("models"), "--json")).Json);

        Assert.Equal(13_216_000, report.GetProperty("total_parameters").GetInt64());
        Assert.Equal(26_432_000, report.GetProperty("stored_bytes").GetInt64());
        Assert.Equal(26_432_000, report.GetProperty("stored_bytes_by_type").GetProperty("BF16").GetInt64());
        Assert.Equal(2, report.GetProperty("architecture").GetProperty("num_experts_per_tok").GetInt32());
        Assert.Equal("danish", report.GetProperty("experts")[4].GetProperty("name").GetString());
        Assert.Equal(64, report.GetProperty("experts")[4].GetProperty("rank").GetInt32());
    }

    [Fact]
    public async Task WeightFile_IsInspectedWithTheConfigurationBesideIt()
    {
        string models = TestData.Repository("models");

        CliRun directory = await CliRun.Of("inspect", models);
        CliRun file = await CliRun.Of("inspect", Path.Combine(models, "model.safetensors"));

        Assert.Equal(directory.Out.Split('\n')[1..], file.Out.Split('\n')[1..]);
    }

    [Fact]
    public async Task Report_NamesExpertsAndMarksTheConfiguredCosts()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Repository("models"));

        Assert.Contains("13,216,000 parameters, 6 experts, 2 per token, 26.4 MB stored (BF16 26.4 MB)", run.Out, StringComparison.Ordinal);
        Assert.Matches(@"\n +4 +danish +low-rank +64 +public +737,280 +1\.47 MB +", run.Out);
        Assert.Matches(@"\n +\* 2 +5\.99 M – 9\.58 M +7\.78 M – 10\.3 M +11\.4 MB – 16\.4 MB", run.Out);
        Assert.Equal(6, run.Out.Split('\n').Count(line => line.EndsWith("MB", StringComparison.Ordinal)));
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task ActiveExperts_ShowsThatCostOnly()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Repository("models"), "--k", "3");

        Assert.Contains("6 experts, 3 per token", run.Out, StringComparison.Ordinal);
        Assert.Single(run.Out.Split('\n'), line => line.EndsWith("MB", StringComparison.Ordinal));
    }

    [Fact]
    public async Task DenseModel_HasNoExpertTable()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Fixture("counts/olmo2-7b"));

        Assert.Contains("dense", run.Out, StringComparison.Ordinal);
        Assert.Contains("no weights here", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("outside the experts", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TooManyActiveExperts_IsAnError()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Repository("models"), "--k", "7");

        run.AssertFails(ExitCode.NotLoaded, "num_experts_per_tok", "7");
    }

    [Fact]
    public async Task NothingThere_IsAnError() => (await CliRun.Of("inspect", "/nowhere")).AssertFails(ExitCode.NotLoaded, "/nowhere");
}
