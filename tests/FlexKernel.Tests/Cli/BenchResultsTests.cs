using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using FlexKernel.Cli;
using FlexKernel.Cli.Bench;
using FlexKernel.Kernels;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class BenchResultsTests
{
    private static readonly string[] Small = ["--shape", "tiny", "--prefill", "4", "--decode", "2", "--repetitions", "2", "--threads", "1", "--probe", "1"];
    private DateTimeOffset _clock = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public async Task Results_TwoRunsOfADay_AreBothKept()
    {
        using TemporaryDirectory directory = new();
        (await Bench([.. Small, "--results", directory.Path])).AssertOk();
        (await Bench("probe", "--threads", "1", "--path", "scalar", "--probe", "1", "--results", directory.Path)).AssertOk();

        string file = Assert.Single(directory.Names);
        Assert.Matches(@"^[a-z0-9-]+-\d{4}-\d{2}-\d{2}\.json$", file);
        using JsonDocument runs = JsonDocument.Parse(File.ReadAllText(directory[file]));
        Assert.Equal(["run", "probe"], runs.RootElement.EnumerateArray().Select(r => r.EnumerateObject().Last().Name));
        Assert.DoesNotContain(directory.Path, File.ReadAllText(directory[file]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_DamagedFile_IsAnErrorAndStaysAsItIs()
    {
        using TemporaryDirectory directory = new();
        string file = ResultStore.Append(directory.Path, MachineFacts.Read(), TimeProvider.System, "run", json => json.WriteNullValue());
        File.WriteAllText(file, "[{]");

        (await Bench("tables", directory.Path)).AssertFails(ExitCode.Failed, file, "array of runs");
        Assert.Throws<CliException>(() => ResultStore.Append(directory.Path, MachineFacts.Read(), TimeProvider.System, "run", json => json.WriteNullValue()));
        Assert.Equal("[{]", File.ReadAllText(file));
    }

    [Fact]
    public async Task Team_Json_RatiosAreOfTheTurns()
    {
        Assert.SkipUnless(Environment.ProcessorCount > 1, "the worker team needs two processors");
        CliRun run = await Bench("team", "--shape", "tiny", "--threads", "2", "--repetitions", "1", "--decode", "2", "--json");

        JsonElement team = Assert.Single(run.Json);
        double Number(string name) => team.GetProperty(name).GetDouble();
        Assert.Equal(Number("region_ns") / Number("round_trip_ns"), Number("region_ratio"), 1e-3 * Number("region_ratio") + 1e-4);
        Assert.Equal(Number("tokens_per_second_alone") / Number("tokens_per_second_beside"), Number("slowdown"), 1e-3 * Number("slowdown") + 1e-4);
    }

    [Fact]
    public async Task Rival_IsRunInTurnsWithTheSameTest()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in for llama-bench is a shell script");
        using TemporaryDirectory directory = new();
        string model = directory.Write("x.gguf", []), log = directory["calls"];
        string program = Script(directory, $$"""
            echo "$@" >> {{log}}
            echo '[{"build_commit":"abc","model_type":"stand-in","samples_ts":[1000]}]'
            """);

        CliRun run = await Bench([.. Small, "--weights", "f32,q8", "--rival", program, "--rival-model", $"f32={model}", "--rival-model", $"q8={model}", "--output", "json"]);

        run.AssertOk();
        JsonElement report = Assert.Single(run.Json);
        Assert.Equal("llama.cpp abc, x.gguf (stand-in)", report.GetProperty("rival").GetString());
        JsonElement[] tests = [.. report.GetProperty("blocks").EnumerateArray().SelectMany(b => b.GetProperty("tests").EnumerateArray())];
        Assert.Equal(["pp4", "tg2", "pp4", "tg2"], tests.Select(t => t.GetProperty("test").GetString()));
        Assert.All(tests, t => Assert.Equal(1000, t.GetProperty("rival_tokens_per_second").GetDouble()));
        Assert.All(tests, t => Assert.Equal(
            t.GetProperty("tokens_per_second").GetDouble() / 1000, t.GetProperty("ratio").GetDouble(), 1e-4));
        string prefill = $"-m {model} -t 1 -r 1 -o json -p 4 -n 0", decode = $"-m {model} -t 1 -r 1 -o json -p 0 -n 2";
        Assert.Equal([prefill, prefill, decode, decode, prefill, prefill, decode, decode], File.ReadAllLines(log));
    }

    [Theory]
    [InlineData("echo broken >&2; exit 3", "ended with 3: broken", ExitCode.NotLoaded)]
    [InlineData("echo no json", "found 'no json'", ExitCode.Failed)]
    public async Task Rival_ThatFails_IsToldWithItsWords(string body, string expected, int exitCode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in for llama-bench is a shell script");
        using TemporaryDirectory directory = new();
        string model = directory.Write("x.gguf", []);

        (await Bench([.. Small, "--rival", Script(directory, body), "--rival-model", model])).AssertFails(exitCode, expected);
    }

    [Fact]
    public async Task Roofline_HasAPointForEveryTestBelowItsCeiling()
    {
        using TemporaryDirectory directory = new();
        (await Bench([.. Small, "--weights", "bf16,q8", "--roofline", directory["r.svg"]])).AssertOk();

        XElement svg = XElement.Load(directory["r.svg"]);
        XNamespace ns = "http://www.w3.org/2000/svg";
        Assert.Equal(4, svg.Descendants(ns + "circle").Count());
        string[] texts = [.. svg.Descendants(ns + "text").Select(t => t.Value)];
        foreach (string start in (string[])["bf16 pp4", "bf16 tg2", "q8 pp4", "q8 tg2", "memory ", "float32 multiply-adds", "int8 dot products"])
        {
            Assert.Contains(texts, t => t.StartsWith(start, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Tables_OneColumnPerProcessor_LatestCountsAndMissingAreNamed()
    {
        using TemporaryDirectory directory = new();
        MachineFacts wide = new("cpu A", 2, "AVX-512", false, "", "os", "runtime", null, true);
        MachineFacts narrow = wide with { InstructionClass = "AVX2", IsEmulated = true };
        Append(wide, KernelPath.Bits512, 100);
        Append(wide, KernelPath.Bits512, 200);
        Append(wide, KernelPath.Bits256, 300);
        Append(narrow, KernelPath.Bits256, 50);
        Append(wide, KernelPath.Bits512, 250, KvFormat.Q8);

        string speed = (await Bench("tables", directory.Path)).Out.Split("speed:\n\n")[1].Split("rival:")[0];
        string beside = (await Bench("tables", directory.Path)).Out.Split("beside:\n\n")[1].Split("rows:")[0];

        Assert.Contains("AVX-512 (cpu A) | AVX2 (emulated on cpu A) |", speed, StringComparison.Ordinal);
        Assert.Matches(@"\| x +\| bf16 +\| pp8 +\| 1 +\| +200 tokens/s, 50 % \| +50.0 tokens/s, 50 % \|", speed);
        Assert.Matches(@"\| x +\| bf16, kv q8 +\| pp8 +\| 1 +\| +250 tokens/s, 50 % \| +missing \|", speed);
        Assert.Contains("`flexkernel bench x`", speed, StringComparison.Ordinal);
        Assert.Matches(@"\| x +\| y +\| bf16 +\| pp8 +\| 1 +\| +1.20x \(1.10 – 1.30\), at least 1.15x \|", beside);
        Assert.Contains("not run there yet: **AVX2 with VNNI**, **NEON**. Emulated only, on a processor that has more: AVX2.", speed, StringComparison.Ordinal);

        void Append(MachineFacts machine, KernelPath path, double rate, KvFormat cache = KvFormat.F32)
        {
            Measurement test = new(BenchTest.Prefill, 8, 0, new(rate, rate, rate), 1, 1, new(CeilingKind.MultiplyAdd, [2 * rate, rate]))
            {
                Share = new(0.5, 0.5, 0.5),
                Beside = new BesideTime(new(1.2, 1.1, 1.3), 1.15),
            };
            BenchBlock block = new(new ModelFacts("x", "bf16", 1, 2, 0, null), path, 1, [test], []);
            BenchReport report = new(new([], 0, [], [], 1, 1, 1, cache), machine, "flexkernel bench x", null, "y", [block], []);
            _clock = _clock.AddMinutes(1);
            ResultStore.Append(directory.Path, machine, new FixedClock(_clock), "run", json => JsonBench.Write(json, report));
        }
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/performance.md")]
    public void Documents_HaveTheTablesOfTheResults(string file)
    {
        string document = File.ReadAllText(TestData.Repository(file)).ReplaceLineEndings("\n");

        string made = TablesVerb.Update(document, ResultTables.Read(TestData.Repository("bench/results")));

        Assert.Contains("<!-- bench: ", document, StringComparison.Ordinal);
        Assert.True(made == document, $"{file} is old: dotnet run --project tools/flexkernel -c Release -- bench tables bench/results --update {file}");
    }

    [Theory]
    [InlineData("probe")]
    [InlineData("team")]
    [InlineData("tables")]
    public async Task Help_HasExamplesAndItsOptionsAreDocumented(string verb)
    {
        string page = File.ReadAllText(TestData.Repository("docs/cli.md")).Split("## bench")[1];
        string help = (await Bench(verb, "--help")).Out;

        Assert.Contains($"  flexkernel bench {verb}", help, StringComparison.Ordinal);
        Assert.Contains($"`flexkernel bench {verb}", page, StringComparison.Ordinal);
        string[] options = [.. Regex.Matches(help, @"^  (--[a-z0-9-]+)", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        Assert.NotEmpty(options);
        Assert.All(options, option => Assert.Matches($"`{option}[` ]", page));
    }

    private static Task<CliRun> Bench(params string[] args) => CliRun.Of(["bench", .. args]);

    private static string Script(TemporaryDirectory directory, string body)
    {
        string path = directory["llama-bench"];
        File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return path;
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
