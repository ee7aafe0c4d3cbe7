using System.Globalization;
using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class GenerateTests
{
    private const string Prompt = "The patient was";

    public static TheoryData<string, string, int> References
    {
        get
        {
            TheoryData<string, string, int> data = [];
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(TestData.Fixture("tiny-mixture-greedy.json")));
            foreach (JsonElement item in document.RootElement.GetProperty("greedy").EnumerateArray())
            {
                string prompt = item.GetProperty("prompt").GetString()!, text = item.GetProperty("text").GetString()!;
                data.Add(prompt, text, item.GetProperty("continuation").GetArrayLength());
            }

            return data;
        }
    }

    private static string Models => TestData.Repository("models");

    [Theory]
    [MemberData(nameof(References))]
    public async Task Greedy_EqualsReference(string prompt, string expected, int tokens)
    {
        CliRun run = await Run("--prompt", prompt, "--greedy", "--max-tokens", tokens.ToString(CultureInfo.InvariantCulture));

        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Equal(expected + "\n", run.Out);
        Assert.Contains($"{tokens} tokens at ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Prompt_FromFileOrPipe_LosesItsLastLineBreakOnly()
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, $"{Prompt}\n");
        string[] rest = ["--model", Models, "--threads", "1", "--greedy", "--max-tokens", "5", "--quiet"];

        CliRun fromOption = await CliRun.Of(["generate", "--prompt", Prompt, .. rest]);
        CliRun fromFile = await CliRun.Of(["generate", "--prompt-file", file, .. rest]);
        CliRun piped = await CliRun.With($"{Prompt}\r\n", ["generate", .. rest]);
        CliRun twoBreaks = await CliRun.With($"{Prompt}\n\n", ["generate", .. rest]);
        File.Delete(file);

        Assert.Equal(fromOption, fromFile);
        Assert.Equal(fromOption, piped);
        Assert.NotEqual(fromOption.Out, twoBreaks.Out);
        Assert.Equal("", piped.Error);
    }

    [Fact]
    public async Task Prompt_Empty_BeginsLikeATextDoes()
    {
        CliRun empty = await Run("--prompt", "", "--greedy", "--max-tokens", "6", "--quiet");
        CliRun explicitStart = await Run("--prompt", "<|endoftext|>", "--greedy", "--max-tokens", "6", "--quiet");

        Assert.Equal(ExitCode.Ok, empty.ExitCode);
        Assert.Equal(explicitStart.Out, empty.Out);
    }

    [Fact]
    public async Task Json_HasOneObjectPerTokenAndASummary()
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "4", "--logprobs", "3", "--json");

        JsonElement[] lines = run.Json;
        Assert.Equal(5, lines.Length);
        Assert.Equal([539, 304, 279, 1890], lines[..4].Select(l => l.GetProperty("id").GetInt32()));
        Assert.Equal([0, 1, 2, 3], lines[..4].Select(l => l.GetProperty("index").GetInt32()));
        Assert.All(lines[..4], line =>
        {
            Assert.Equal("token", line.GetProperty("type").GetString());
            Assert.Equal(1, line.GetProperty("rank").GetInt32());
            JsonElement[] top = [.. line.GetProperty("top").EnumerateArray()];
            Assert.Equal(3, top.Length);
            Assert.Equal(line.GetProperty("id").GetInt32(), top[0].GetProperty("id").GetInt32());
            Assert.Equal(line.GetProperty("logprob").GetSingle(), top[0].GetProperty("logprob").GetSingle());
            Assert.True(top[0].GetProperty("logprob").GetSingle() >= top[1].GetProperty("logprob").GetSingle());
        });
        JsonElement summary = lines[4];
        Assert.Equal("summary", summary.GetProperty("type").GetString());
        Assert.Equal("length", summary.GetProperty("finish_reason").GetString());
        Assert.Equal(4, summary.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(4, summary.GetProperty("tokens").GetInt32());
        Assert.Equal(" not in the same", summary.GetProperty("text").GetString());
        Assert.Equal(summary.GetProperty("text").GetString(), string.Concat(lines[..4].Select(l => l.GetProperty("text").GetString())));
        Assert.Equal(["load", "prefill", "decode"], summary.GetProperty("seconds").EnumerateObject().Select(p => p.Name));
        Assert.Equal(["prefill", "decode"], summary.GetProperty("tokens_per_second").EnumerateObject().Select(p => p.Name));
        Assert.False(summary.TryGetProperty("experts", out _));
    }

    [Fact]
    public async Task Seed_Reported_RepeatsTheText()
    {
        CliRun first = await Run("--prompt", Prompt, "--max-tokens", "12", "--json");
        JsonElement summary = first.Json[^1];
        string seed = summary.GetProperty("seed").GetInt64().ToString(CultureInfo.InvariantCulture);

        CliRun second = await Run("--prompt", Prompt, "--max-tokens", "12", "--seed", seed, "--quiet");

        Assert.Equal(summary.GetProperty("text").GetString() + "\n", second.Out);
    }

    [Fact]
    public async Task Stop_EndsBeforeTheText()
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--stop", "nowhere", "--stop", "of the person", "--json");

        JsonElement summary = run.Json[^1];
        Assert.Equal(" not in the same manner as a result ", summary.GetProperty("text").GetString());
        Assert.Equal("stop", summary.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Trace_OfAllExperts_SharesAllWeight()
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "5", "--k", "6", "--trace", "--json");

        JsonElement[] experts = [.. run.Json[^1].GetProperty("experts").EnumerateArray()];
        Assert.Equal(["public", "code", "math", "legal", "danish", "medical"], experts.Select(e => e.GetProperty("name").GetString()));
        Assert.Equal(1, experts.Sum(e => e.GetProperty("prompt_mean_weight").GetDouble()), 4);
        Assert.Equal(1, experts.Sum(e => e.GetProperty("text_mean_weight").GetDouble()), 4);
    }

    [Theory]
    [InlineData("--exclude", "medical,5", new[] { "medical" })]
    [InlineData("--allow", "danish, 0", new[] { "code", "math", "legal", "medical" })]
    public async Task Selection_KeepsExpertsOut(string option, string names, string[] absent)
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "3", "--k", "6", option, names, "--trace", "--json");

        Dictionary<string, double> weights = run.Json[^1].GetProperty("experts").EnumerateArray()
            .ToDictionary(e => e.GetProperty("name").GetString()!, e => e.GetProperty("prompt_mean_weight").GetDouble());
        Assert.All(absent, name => Assert.Equal(0, weights[name]));
        Assert.All(weights.Keys.Except(absent), name => Assert.True(weights[name] > 0));
    }

    [Fact]
    public async Task Trace_ForPeople_IsATableOnStandardError()
    {
        CliRun run = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "6", "--trace", "--logprobs", "1");

        Assert.DoesNotContain("danish", run.Out, StringComparison.Ordinal);
        Assert.Contains("danish", run.Error, StringComparison.Ordinal);
        Assert.Contains("log-probability", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', run.Error);
    }

    [Theory]
    [InlineData("scalar")]
    [InlineData("128")]
    public async Task Path_DoesNotChangeTheText(string path)
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "6", "--path", path, "--quiet");

        Assert.Equal(" not in the same manner\n", run.Out);
    }

    [Fact]
    public async Task LogitBias_BansATokenAndForcesAnother()
    {
        CliRun banned = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "1", "--logit-bias", "539=-inf", "--json");
        CliRun forced = await Run("--prompt", Prompt, "--greedy", "--max-tokens", "1", "--logit-bias", "304=90,539=-inf", "--json");

        Assert.NotEqual(539, banned.Json[0].GetProperty("id").GetInt32());
        Assert.Equal(304, forced.Json[0].GetProperty("id").GetInt32());
    }

    [Fact]
    public async Task MaxRank_ChangesTheModel()
    {
        CliRun whole = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--json");
        CliRun cut = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--max-rank", "1", "--json");

        Assert.NotEqual(whole.Json[0].GetProperty("logprob").GetSingle(), cut.Json[0].GetProperty("logprob").GetSingle());
    }

    [Theory]
    [InlineData("bf16")]
    [InlineData("f16")]
    [InlineData("q8")]
    public async Task Kv_RoundsKeysAndValues(string format)
    {
        CliRun exact = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--json");
        CliRun rounded = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--kv", format, "--json");

        float expected = exact.Json[0].GetProperty("logprob").GetSingle(), found = rounded.Json[0].GetProperty("logprob").GetSingle();
        Assert.NotEqual(expected, found);
        Assert.InRange(found, expected - 0.1f, expected + 0.1f);
    }

    [Fact]
    public async Task Densify_BelowBreakEven_ChangesNothing()
    {
        CliRun factored = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--json");
        CliRun asked = await Run("--prompt", "Den danske", "--greedy", "--max-tokens", "1", "--logprobs", "1", "--densify", "--json");

        Assert.Equal(factored.Json[0].GetProperty("logprob").GetSingle(), asked.Json[0].GetProperty("logprob").GetSingle());
    }

    [Fact]
    public async Task Context_LimitsTheText()
    {
        CliRun run = await Run("--prompt", Prompt, "--greedy", "--context", "10", "--json");

        Assert.Equal(6, run.Json[^1].GetProperty("tokens").GetInt32());
        Assert.Equal("length", run.Json[^1].GetProperty("finish_reason").GetString());
    }

    [Theory]
    [InlineData(true, "\e[2mThe patient was\e[0m not in\n")]
    [InlineData(false, "The patient was not in\n")]
    public async Task Terminal_ShowsThePromptDim(bool isStyled, string expected)
    {
        CliRun run = await CliRun.Watched(
            isStyled, "generate", "--model", Models, "--threads", "1", "--prompt", Prompt, "--greedy", "--max-tokens", "2");

        Assert.Equal(expected, run.Out);
        Assert.Equal(isStyled, run.Error.Contains('\e', StringComparison.Ordinal));
    }

    [Fact]
    public async Task Draft_Greedy_WritesTheSameTextAndCountsDrafts()
    {
        string[] text = ["--prompt", Prompt, "--greedy", "--max-tokens", "40", "--ignore-eos"];
        CliRun plain = await Run([.. text, "--json"]);
        CliRun drafted = await Run([.. text, "--draft", "4", "--draft-always", "--json"]);
        CliRun forPeople = await Run([.. text, "--draft", "4"]);

        JsonElement summary = drafted.Json[^1];
        int proposals = summary.GetProperty("drafted_tokens").GetInt32();
        Assert.Equal(plain.Json[..^1].Select(l => l.GetRawText()), drafted.Json[..^1].Select(l => l.GetRawText()));
        Assert.Equal(plain.Json[^1].GetProperty("text").GetString() + "\n", forPeople.Out);
        Assert.InRange(summary.GetProperty("accepted_tokens").GetInt32(), 1, proposals - 1);
        Assert.False(plain.Json[^1].TryGetProperty("drafted_tokens", out _));
        Assert.Matches(@"\d+ of \d+ drafted tokens accepted \(\d+ %\), greedy", forPeople.Error);
    }

    [Theory]
    [InlineData("a whole number from 1 to 16", "--draft", "17")]
    [InlineData("--draft-always says nothing without --draft", "--draft-always")]
    [InlineData("'public'", "--draft", "4", "--exclude", "public", "--allow", "code")]
    [InlineData("'public'", "--draft", "4", "--allow", "code,math")]
    public async Task Draft_ThatCannotBe_IsAUsageError(string expected, params string[] args) =>
        (await Run(["--prompt", Prompt, .. args])).AssertFails(ExitCode.Usage, expected);

    private static Task<CliRun> Run(params string[] args) => CliRun.Of(["generate", "--model", Models, "--threads", "1", .. args]);
}
