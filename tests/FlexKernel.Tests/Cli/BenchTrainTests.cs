using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Cli.Bench;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class BenchTrainTests
{
    private static readonly string[] Small =
        ["--shape", "10m", "--layers", "1", "--hidden", "32", "--heads", "2", "--intermediate", "48", "--vocab", "64", "--tokens", "8", "--batch", "2", "--threads", "1"];

    [Fact]
    public async Task Json_SharesFollowFromRatesAndPeak()
    {
        CliRun run = await Train([.. Small, "--steps", "2", "--turns", "2", "--json"]);

        run.AssertOk();
        JsonElement report = Assert.Single(run.Json), engine = Assert.Single(report.GetProperty("engines").EnumerateArray());
        double Number(JsonElement item, string name) => item.GetProperty(name).GetDouble();

        // One layer: four 32 x 32 and three 32 x 48 matrices, a head of 64 x 32; scores and values of 32 channels over 4.5 positions on average.
        Assert.Equal(4 * 32 * 32 + 3 * 32 * 48 + 64 * 32, Number(report, "matmul_parameters"));
        Assert.Equal(6 * (Number(report, "matmul_parameters") + 2 * 32 * 4.5), Number(report, "operations_per_token"), 1e-6);
        double peak = Number(report, "ceiling_per_second_max");
        Assert.Equal(Number(engine, "tokens_per_second") * Number(report, "operations_per_token") / peak, Number(engine, "share"), 1e-3);
        Assert.InRange(Number(engine, "tokens_per_second"), Number(engine, "tokens_per_second_min"), Number(engine, "tokens_per_second_max"));
        Assert.InRange(Number(engine, "peak_bytes"), 1 << 20, 1L << 40);
    }

    [Fact]
    public async Task Rivals_AreRunInTurnsOnTheSameShape()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in for a rival is a shell script");
        using TemporaryDirectory directory = new();
        string log = directory["calls"], first = Script(directory, "first", log, 12_960), second = Script(directory, "second", log, 12_960);
        string results = Directory.CreateDirectory(directory["results"]).FullName;

        CliRun run = await Train([.. Small, "--steps", "1", "--turns", "2", "--rival", $"/bin/sh {first}", "--rival", $"/bin/sh {second}", "--json", "--results", results]);

        run.AssertOk();
        JsonElement[] engines = [.. Assert.Single(run.Json).GetProperty("engines").EnumerateArray()];
        Assert.Equal(["flexkernel", "first", "second"], engines.Select(e => e.GetProperty("name").GetString()));
        Assert.All(engines[1..], e => Assert.Equal(1000, e.GetProperty("tokens_per_second").GetDouble()));
        Assert.All(engines[1..], e => Assert.Equal(4096, e.GetProperty("peak_bytes").GetInt64()));
        string sizes = "--layers 1 --hidden 32 --intermediate 48 --heads 2 --vocab 64 --tokens 8 --batch 2 --threads 1 --steps 1";
        Assert.Equal([$"first {sizes}", $"second {sizes}", $"first {sizes}", $"second {sizes}"], File.ReadAllLines(log));
        string table = ResultTables.Read(results).Write("train");
        Assert.Contains("| 10m   | 2 x 8            | 1       | first ", table, StringComparison.Ordinal);
        Assert.Contains("flexkernel / second", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RivalOfAnotherSize_IsAnError()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in for a rival is a shell script");
        using TemporaryDirectory directory = new();
        string script = Script(directory, "other", directory["calls"], 5);

        (await Train([.. Small, "--steps", "1", "--turns", "1", "--rival", $"/bin/sh {script}"])).AssertFails(ExitCode.Failed, "5 parameters", "1 steps of");
    }

    [Fact]
    public async Task NonsensePlans_AreErrors()
    {
        (await Train("--shape", "huge")).AssertFails(ExitCode.Usage, "10m", "huge");
        (await Train("--shape", "10m", "--tokens", "5000")).AssertFails(ExitCode.Usage, "--tokens", "4096");
        (await Train("--shape", "tiny", "--rival", "x")).AssertFails(ExitCode.Usage, "--rival", "experts");
        (await Train([.. Small, "--rival", " "])).AssertFails(ExitCode.Usage, "--rival");
        (await Train([.. Small, "--steps", "1", "--turns", "1", "--rival", "no-such-program"])).AssertFails(ExitCode.NotLoaded, "no-such-program");
    }

    private static string Script(TemporaryDirectory directory, string name, string log, long parameters) => directory.Write(name, System.Text.Encoding.UTF8.GetBytes(
        $$"""
        echo {{name}} "$@" >> {{log}}
        echo '{"tokens_per_second": 1000, "loss": 1}'
        echo '{"description": "{{name}}", "parameters": {{parameters}}, "peak_bytes": 4096}'
        """));

    private static Task<CliRun> Train(params string[] args) => CliRun.Of(["bench", "train", .. args]);
}
