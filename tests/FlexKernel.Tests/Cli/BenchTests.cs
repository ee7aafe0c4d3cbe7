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
        CliRun run = await Run("--output", "json", "--threads", "1,2", "--path", "scalar,128", "--weights", "bf16,q8");

        JsonElement report = Assert.Single(run.Json);
        JsonElement[] blocks = [.. report.GetProperty("blocks").EnumerateArray()];
        Assert.Equal(
            ["bf16 scalar 1", "bf16 scalar 2", "bf16 128 1", "bf16 128 2", "q8 scalar 1", "q8 scalar 2", "q8 128 1", "q8 128 2"],
            blocks.Select(b => $"{b.GetProperty("model").GetProperty("weights")} {b.GetProperty("path")} {b.GetProperty("threads")}"));
        Assert.All(blocks, block =>
        {
            Assert.Equal("tiny", block.GetProperty("model").GetProperty("name").GetString());
            Assert.Equal(2, block.GetProperty("model").GetProperty("k").GetInt32());
            JsonElement[] tests = [.. block.GetProperty("tests").EnumerateArray()];
            string peak = block.GetProperty("model").GetProperty("weights").GetString() == "q8" ? "int8 dot peak" : "multiply-add peak";
            Assert.Equal(["pp4", "tg2"], tests.Select(t => t.GetProperty("test").GetString()));
            Assert.Equal([peak, "read bandwidth"], tests.Select(t => t.GetProperty("ceiling").GetString()));
            Assert.All(tests, AssertShare);
        });
    }

    [Fact]
    public async Task Csv_HasOneLinePerMeasurement()
    {
        CliRun run = await Run("--output", "csv", "--prefill", "4,6", "--rows", "1,3", "--context", "16,70");

        string[] lines = run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int columns = lines[0].Split(',').Length;
        Assert.Equal(["pp4", "pp6", "tg2", "tg2@70", "rows1", "rows3"], lines[1..].Select(l => l.Split(',')[7]));
        Assert.All(lines, line => Assert.Equal(columns, line.Split(',').Length));
        Assert.Contains("warning: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kv_IsNamedAndCountedInBytesReadPerToken()
    {
        Dictionary<string, double> work = [];
        foreach (string kv in (string[])["f32", "bf16", "q8"])
        {
            JsonElement report = Assert.Single((await Run("--output", "json", "--kv", kv, "--prefill", "0", "--context", "70")).Json);
            Assert.Equal(kv, report.GetProperty("kv").GetString());
            work[kv] = Number(report.GetProperty("blocks")[0].GetProperty("tests")[0], "work_per_token");
        }

        // Keys, and values padded to 32, at 70 + 8 + 1.5 positions: 4, 2 or 1 bytes a number, and of q8 a scale for each key and each value.
        ModelDescription tiny = BenchShapes.Find("tiny");
        double heads = 79.5 * tiny.LayerCount * tiny.KeyValueHeadCount;
        int numbers = tiny.HeadDimension + (tiny.HeadDimension + 31) / 32 * 32;
        Assert.Equal(heads * numbers * (4 - 2), work["f32"] - work["bf16"], 1.0);
        Assert.Equal(heads * (numbers * (4 - 1) - 2 * sizeof(float)), work["f32"] - work["q8"], 1.0);
        Assert.Contains("Keys and values: f16", (await Run("--kv", "f16", "--prefill", "0")).Out, StringComparison.Ordinal);
        (await Run("--kv", "q4")).AssertFails(ExitCode.Usage, "f32, bf16, f16 or q8", "q4");
    }

    [Fact]
    public async Task Markdown_HasTablesAndRoofline()
    {
        CliRun run = await Run("--rows", "2");

        Assert.Contains("Model: tiny, ", run.Out, StringComparison.Ordinal);
        Assert.Contains(RunsOn, run.Out, StringComparison.Ordinal);
        Assert.Contains("Command: `flexkernel bench --shape tiny ", run.Out, StringComparison.Ordinal);
        Assert.Contains("| multiply-add peak |", run.Out, StringComparison.Ordinal);
        Assert.Contains("| time / one token |", run.Out, StringComparison.Ordinal);
        Assert.Matches(@"Roofline, bf16, 1 thread, width \w+, tg2: at least [\d.]+ ms/token, measured [\d.]+ ms/token", run.Out);
        Assert.Contains("not sampled", run.Out, StringComparison.Ordinal);
        Assert.Contains("may stay in caches", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Zero_LeavesAMeasurementOut()
    {
        CliRun decodeOnly = await Run("--output", "csv", "--prefill", "0"), prefillOnly = await Run("--output", "csv", "--decode", "0");

        Assert.DoesNotContain(",pp", decodeOnly.Out, StringComparison.Ordinal);
        Assert.DoesNotContain(",tg", prefillOnly.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Model_IsMeasuredAsStored()
    {
        CliRun run = await CliRun.Of(
            [
                "bench", "--model", TestData.Repository("models"), "--k", "6", "--output", "json", "--threads", "1",
                "--prefill", "4", "--decode", "2", "--repetitions", "1", "--probe", "1",
            ]);

        JsonElement model = Assert.Single(run.Json).GetProperty("blocks")[0].GetProperty("model");
        Assert.Equal("stored", model.GetProperty("weights").GetString());
        Assert.Equal(16, model.GetProperty("bits_per_weight").GetDouble(), 1);
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
        using BenchModel model = new("x", RandomWeights.Create(description, WeightFormat.F32), WeightFormat.F32, null);

        // 2 layers of four 64 x 64 and three 64 x 128 matrices; scores and values of 64 channels over 1 to 3 positions; a head of 512 x 64.
        long macs = 3 * 2 * (4 * 64 * 64 + 3 * 64 * 128) + 2 * 2 * 64 * (1 + 2 + 3) + 512 * 64;
        Assert.Equal(2.0 * macs, model.PrefillOperations(3));
        Assert.Equal(32, model.Facts.BitsPerWeight, 0.5);
    }

    [Fact]
    public void Spread_SortsAndTakesTheMiddle()
    {
        Assert.Equal(new Spread(2, 1, 9), Spread.Of([9, 2, 1]));
        Assert.Equal(new Spread(2, 1, 9), Spread.Of([9, 3, 2, 1]));
    }

    [Fact]
    public void Ceiling_ShareOfATurn_IsOfTheHigherProbeAroundIt()
    {
        Ceiling ceiling = new(CeilingKind.ReadBandwidth, [100, 80, 50, 40]);

        Assert.Equal(new Spread(0.8, 0.5, 0.9), ceiling.ShareOf([90, 40, 40]));
        Assert.Equal((50, 100), (ceiling.PerSecond.Median, ceiling.Best));
    }

    [Fact]
    public async Task Beside_IsTimedInTurnsWithItsLeastWork()
    {
        CliRun run = await Run("--output", "json", "--beside", "10m", "--weights", "f32,q8");
        CliRun directory = await Run("--beside", TestData.Repository("models"));

        JsonElement report = Assert.Single(run.Json);
        Assert.Equal("10m", report.GetProperty("beside").GetString());
        ParameterCounts ours = ParameterCounts.Of(BenchShapes.Find("tiny")), theirs = ParameterCounts.Of(BenchShapes.Find("10m"));
        JsonElement[] tests = [.. report.GetProperty("blocks").EnumerateArray().SelectMany(b => b.GetProperty("tests").EnumerateArray())];
        Assert.Equal(4, tests.Length);
        Assert.All(tests, test => Assert.InRange(Number(test, "beside_time"), 1e-4, 10));
        Assert.All(tests, test => Assert.InRange(Number(test, "beside_floor"), 0.01, (double)ours.Total / theirs.Total * 2));
        Assert.Matches(@"\| time / that of models \|", directory.Out);
        (await Run("--beside", "huge")).AssertFails(ExitCode.Usage, "474m-mix", "huge");
    }

    [Fact]
    public void Disturbances_TellWhatMovedAndNothingElse()
    {
        MachineFacts quiet = new("cpu", 2, "AVX2", false, "", "os", "runtime", 0.1, IsOptimised: true);
        Ceiling steady = new(CeilingKind.MultiplyAdd, [100, 101]), moving = new(CeilingKind.MultiplyAdd, [100, 79]);

        Assert.Empty(Disturbances.Find(quiet, [Block(new Spread(95, 90, 100), steady)]));
        string spread = Assert.Single(Disturbances.Find(quiet, [Block(new Spread(80, 70, 100), steady)]));
        string change = Assert.Single(Disturbances.Find(quiet, [Block(new Spread(95, 90, 100), moving)]));
        Assert.Contains("median is 20 % below", spread, StringComparison.Ordinal);
        Assert.Contains("changed by 21 %", change, StringComparison.Ordinal);
        Assert.Equal(2, Disturbances.Find(quiet with { LoadAverage = 2, IsOptimised = false }, []).Count);

        static BenchBlock Block(Spread rate, Ceiling peak) => new(
            new ModelFacts("x", "bf16", 1, 1, 0, null), KernelPath.Scalar, 1, [new Measurement(BenchTest.Prefill, 8, 0, rate, 1, 1, peak)], []);
    }

    [Fact]
    public void MachineFacts_Slug_TellsEmulatedFromReal()
    {
        MachineFacts real = new("AMD EPYC family 25 model 1", 2, "AVX2", false, "", "os", "runtime", null, IsOptimised: true);

        Assert.Equal("avx2-amd-epyc-family-25-model-1", real.Slug);
        Assert.Equal("avx2-emulated-on-amd-epyc-family-25-model-1", (real with { IsEmulated = true }).Slug);
    }

    [Theory]
    [InlineData("--threads", "--threads")]
    [InlineData("/home/me/llama-bench", "llama-bench")]
    [InlineData("q8=/home/me/a.gguf", "q8=a.gguf")]
    [InlineData("/home/me/two words.gguf", "'two words.gguf'")]
    public void CommandText_OfPaths_KeepsTheName(string argument, string expected) => Assert.Equal(expected, CommandText.Shorten(argument));

    [Fact]
    public async Task NonsensePlans_AreErrors()
    {
        (await Run("--prefill", "0", "--decode", "0")).AssertFails(ExitCode.Usage, "--prefill");
        (await CliRun.Of("bench", "--model", TestData.Repository("models"), "--prefill", "500000")).AssertFails(ExitCode.Usage, "500000 positions");
        (await Run("--rival", "llama-bench")).AssertFails(ExitCode.Usage, "--rival-model");
        (await Run("--rival", "no-such-program", "--rival-model", "no-such.gguf")).AssertFails(ExitCode.Usage, "--rival-model", "no-such.gguf");
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

    private static void AssertShare(JsonElement test)
    {
        double rate = Number(test, "tokens_per_second"), work = Number(test, "work_per_token");
        double least = Number(test, "tokens_per_second_min") * work / Number(test, "ceiling_per_second_max");
        double most = Number(test, "tokens_per_second_max") * work / Number(test, "ceiling_per_second_min");
        Assert.InRange(Number(test, "share"), least * 0.999 - 0.0001, most * 1.001 + 0.0001);
        AssertClose(Number(test, "floor_ms_per_token"), 1000 * work / Number(test, "ceiling_per_second"));
        AssertClose(rate * Number(test, "work_per_token"), Number(test, "per_second"));
        AssertClose(1000 / rate, Number(test, "ms_per_token"));
        Assert.InRange(rate, Number(test, "tokens_per_second_min"), Number(test, "tokens_per_second_max"));
    }

    // What is written has four decimals.
    private static void AssertClose(double expected, double actual) => Assert.Equal(expected, actual, 0.0001 + 1e-3 * Math.Abs(expected));

    private static double Number(JsonElement item, string key) => item.GetProperty(key).GetDouble();
}
