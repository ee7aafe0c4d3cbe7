using System.Text.Json;
using System.Xml.Linq;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class InspectSpectrumTests
{
    [Fact]
    public async Task Spectrum_OfTheShippedModel_HasATablePerExpertButTheBase()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Repository("models"), "--spectrum");

        run.AssertOk();
        foreach (string expert in new[] { "code, full", "math, full", "legal, low-rank 32", "danish, low-rank 64", "medical, low-rank 32" })
        {
            Assert.Contains($"\n{expert}, against public\n", run.Out, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("public,", run.Out, StringComparison.Ordinal);
        Assert.Equal(5, run.Out.Split('\n').Count(line => line.TrimStart().StartsWith("all ", StringComparison.Ordinal)));
        Assert.Contains("at 128", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_LowRankExpert_KeepsEverythingAtItsRank()
    {
        CliRun run = await CliRun.Of("inspect", TestData.Repository("models"), "--spectrum", "danish", "--json");

        run.AssertOk();
        JsonElement expert = Assert.Single(Assert.Single(run.Json).GetProperty("experts").EnumerateArray());
        Assert.Equal("public", expert.GetProperty("base").GetString());
        Assert.Equal(12, expert.GetProperty("matrices").GetArrayLength());
        Assert.All(expert.GetProperty("matrices").EnumerateArray(), matrix =>
        {
            double[] values = [.. matrix.GetProperty("singular_values").EnumerateArray().Select(v => v.GetDouble())];
            Assert.Equal(64, values.Length);
            Assert.Equal(values.OrderDescending(), values);
            Assert.InRange(matrix.GetProperty("effective_rank").GetInt32(), 1, 64);
        });
        JsonElement all = expert.GetProperty("medians")[3];
        Assert.Equal("all", all.GetProperty("projection").GetString());
        Assert.Equal(1, all.GetProperty("energy").GetProperty("64").GetDouble());
        Assert.InRange(all.GetProperty("energy").GetProperty("32").GetDouble(), 0.5, 0.999);
    }

    [Fact]
    public async Task Svg_IsDrawnForEveryExpert()
    {
        using TemporaryDirectory directory = new();
        string file = Path.Combine(directory.Path, "spectra.svg");

        (await CliRun.Of("inspect", TestData.Fixture("models/flexmore-chained"), "--spectrum", "--svg", file)).AssertOk();

        XElement svg = XElement.Parse(File.ReadAllText(file));
        Assert.Equal(5, svg.Elements().Count(e => e.Name.LocalName == "path" && (string?)e.Attribute("fill") == "none"));
    }

    [Fact]
    public async Task UnknownExpert_IsAnError() =>
        (await CliRun.Of("inspect", TestData.Repository("models"), "--spectrum", "latin")).AssertFails(ExitCode.Usage, "'latin'", "danish");

    [Fact]
    public async Task NoWeights_IsAnError() =>
        (await CliRun.Of("inspect", TestData.Fixture("counts/flexolmo-2x7b"), "--spectrum")).AssertFails(ExitCode.NotLoaded, "no weights");

    [Theory]
    [InlineData("--svg", "x.svg")]
    [InlineData("--base", "code")]
    public async Task OptionsOfSpectra_WithoutThem_AreAnError(string option, string value) =>
        (await CliRun.Of("inspect", TestData.Repository("models"), option, value)).AssertFails(ExitCode.Usage, "--spectrum");

    [Fact]
    public async Task ActiveExperts_HaveNoSpectrum() =>
        (await CliRun.Of("inspect", TestData.Repository("models"), "--spectrum", "--k", "2")).AssertFails(ExitCode.Usage, "--k");
}
