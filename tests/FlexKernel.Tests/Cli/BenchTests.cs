using System.Globalization;
using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Cli.Bench;
using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class BenchTests
{
    [Fact]
    public async Task Json_SharesFollowFromRatesAndCeilings()
    {
        CliRun run = await Run("--output", "json", "--threads", "1,2", "--path", "scalar,128");

        JsonElement report = Assert.Single(run.Json);
        Assert.Equal("tiny", report.GetProperty("model").GetProperty("name").GetString());
        Assert.Equal(2, report.GetProperty("model").GetProperty("k").GetInt32());
        JsonElement[] blocks = [.. report.GetProperty("blocks").EnumerateArray()];
        Assert.Equal(["scalar 1", "scalar 2", "128 1", "128 2"], blocks.Select(b => $"{b.GetProperty("path")} {b.GetProperty("threads")}"));
        Assert.All(blocks, block =>
        {
            JsonElement prefill = Assert.Single(block.GetProperty("prefill").EnumerateArray());
            AssertShare(prefill, "flops", "fma_peak");
            JsonElement decode = block.GetProperty("decode");
            AssertShare(decode, "bytes_per_second", "read_bandwidth");
            Assert.Equal(1000 / Number(decode, "tokens_per_second"), Number(decode, "ms_per_token"), 0.0001);
        });
    }

    [Fact]
    public async Task Csv_HasOneLinePerMeasurement()
    {
        CliRun run = await Run("--output", "csv", "--prefill", "4,6");

        string[] lines = run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int columns = lines[0].Split(',').Length;
        Assert.Equal(["prefill", "prefill", "decode"], lines[1..].Select(l => l.Split(',')[5]));
        Assert.All(lines, line => Assert.Equal(columns, line.Split(',').Length));
        Assert.Contains("warning: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Markdown_HasTablesAndRoofline()
    {
        CliRun run = await Run();

        Assert.Contains("Model: tiny, ", run.Out, StringComparison.Ordinal);
        Assert.Contains(RunsOn, run.Out, StringComparison.Ordinal);
        Assert.Contains("| multiply-add peak |", run.Out, StringComparison.Ordinal);
        Assert.Matches(@"Roofline, 1 thread, width \w+: at least [\d.]+ ms/token, measured [\d.]+ ms/token", run.Out);
        Assert.Contains("not sampled", run.Out, StringComparison.Ordinal);
        Assert.Contains("may stay in caches", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Zero_LeavesAMeasurementOut()
    {
        CliRun decodeOnly = await Run("--output", "csv", "--prefill", "0"), prefillOnly = await Run("--output", "md", "--decode", "0");

        Assert.DoesNotContain("prefill", decodeOnly.Out.Split('\n', 2)[1], StringComparison.Ordinal);
        Assert.DoesNotContain("Roofline", prefillOnly.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Model_IsMeasuredAsStored()
    {
        CliRun run = await CliRun.Of(
            [
                "bench", "--model", TestData.Repository("models"), "--k", "6", "--output", "json", "--threads", "1",
                "--prefill", "4", "--decode", "2", "--repetitions", "1", "--probe", "1",
            ]);

        JsonElement report = Assert.Single(run.Json);
        Assert.Equal(16, report.GetProperty("model").GetProperty("bits_per_weight").GetDouble(), 1);
        JsonElement decode = report.GetProperty("blocks")[0].GetProperty("decode");
        Assert.Equal(decode.GetProperty("bytes_per_token_min").GetInt64(), decode.GetProperty("bytes_per_token_max").GetInt64());
    }

    [Theory]
    [InlineData("474m", 474, null)]
    [InlineData("474m-mix", 569, 4)]
    [InlineData("474m-moe", 1078, 4)]
    [InlineData("7b", 7299, null)]
    public void Shapes_HaveTheirSizes(string name, int millions, int? active)
    {
        ModelDescription description = BenchShapes.Find(name);

        Assert.Equal(millions, Math.Round(ParameterCounts.Of(description).Total / 1e6));
        Assert.Equal(active, BenchModel.Resolve(description, null));
    }

    [Fact]
    public void PrefillOperations_CountEveryMultiplyAdd()
    {
        ModelDescription description = BenchShapes.Find("tiny") with { ModelType = "olmo2", Mixture = null };
        using BenchModel model = new("x", RandomWeights.Create(description, WeightFormat.F32), null);

        // 2 layers of four 64 x 64 and three 64 x 128 matrices; scores and values of 64 channels over 1 to 3 positions; a head of 512 x 64.
        long macs = 3 * 2 * (4 * 64 * 64 + 3 * 64 * 128) + 2 * 2 * 64 * (1 + 2 + 3) + 512 * 64;
        Assert.Equal(2.0 * macs, model.PrefillOperations(3));
        Assert.Equal(32, model.BitsPerWeight, 0.5);
    }

    [Fact]
    public void Spread_SortsAndTakesTheMiddle()
    {
        Assert.Equal(new Spread(2, 1, 9), Spread.Of([9, 2, 1]));
        Assert.Equal(new Spread(2, 1, 9), Spread.Of([9, 3, 2, 1]));
    }

    [Fact]
    public void Disturbances_TellWhatMovedAndNothingElse()
    {
        using BenchModel model = new("x", RandomWeights.Create(BenchShapes.Find("tiny"), WeightFormat.BF16), null);
        MachineFacts quiet = new("cpu", 2, "", "os", "runtime", 0.1, IsOptimised: true);
        Ceiling steady = new(100, 101), moving = new(100, 79);

        Assert.Empty(Disturbances.Find(model, quiet, [Block(new Spread(95, 90, 100), steady)]));
        string spread = Assert.Single(Disturbances.Find(model, quiet, [Block(new Spread(80, 70, 100), steady)]));
        string change = Assert.Single(Disturbances.Find(model, quiet, [Block(new Spread(95, 90, 100), moving)]));
        Assert.Contains("median is 20 % below", spread, StringComparison.Ordinal);
        Assert.Contains("changed by 21 %", change, StringComparison.Ordinal);
        Assert.Equal(2, Disturbances.Find(model, quiet with { LoadAverage = 2, IsOptimised = false }, []).Count);

        static BenchBlock Block(Spread rate, Ceiling peak) => new(KernelPath.Scalar, 1, [new PrefillResult(8, rate, 1, peak)], null);
    }

    [Fact]
    public async Task NonsensePlans_AreErrors()
    {
        (await Run("--prefill", "0", "--decode", "0")).AssertFails(ExitCode.Usage, "--prefill");
        (await Run("--prefill", "5000")).AssertFails(ExitCode.Usage, "5000", "4096");
        (await Run("--k", "4")).AssertFails(ExitCode.Usage, "3 experts");
        (await Run("--output", "xml")).AssertFails(ExitCode.Usage, "md, csv or json", "xml");
        (await CliRun.Of("bench", "--shape", "huge")).AssertFails(ExitCode.Usage, "474m-mix", "huge");
        (await CliRun.Of("bench", "--shape", "tiny", "--model", "models")).AssertFails(ExitCode.Usage, "--shape");
    }

    private static string RunsOn => string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} processor");

    private static Task<CliRun> Run(params string[] args)
    {
        List<string> all = ["bench", "--shape", "tiny", "--repetitions", "3", "--probe", "1", .. args];
        foreach (string[] small in (string[][])[["--threads", "1"], ["--prefill", "4"], ["--decode", "2"]])
        {
            if (!args.Contains(small[0]))
            {
                all.AddRange(small);
            }
        }

        return CliRun.Of([.. all]);
    }

    private static void AssertShare(JsonElement result, string rate, string ceiling)
    {
        double best = Math.Max(Number(result, $"{ceiling}_before"), Number(result, $"{ceiling}_after"));
        Assert.Equal(Number(result, rate) / best, Number(result, "share"), 0.0001);
        Assert.InRange(Number(result, "tokens_per_second"), Number(result, "min"), Number(result, "max"));
    }

    private static double Number(JsonElement item, string key) => item.GetProperty(key).GetDouble();
}
