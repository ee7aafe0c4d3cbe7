using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Cli.Options;
using FlexKernel.Tests.Adapters;
using Xunit;

namespace FlexKernel.Tests.Cli;

/// <summary><c>convert</c> and <c>synth</c>.</summary>
public sealed class ConvertTests
{
    private const string Prompt = "The patient was";

    private static string Models => TestData.Repository("models");

    [Fact]
    public async Task Convert_Examples_WorkAndTheModelStillWrites()
    {
        using TemporaryDirectory directory = new();

        CliRun merged = await CliRun.Of("convert", Models, directory["one"], "--shards", "4");
        CliRun whole = await Generate(Models);
        CliRun sharded = await Generate(directory["one"]);

        Assert.Equal((ExitCode.Ok, ""), (merged.ExitCode, merged.Out));
        Assert.Contains("147 tensors, 26.4 MB in 4 files", merged.Error, StringComparison.Ordinal);
        Assert.Contains(
            "copied README.md, chat_template.jinja, generation_config.json, tokenizer.json, tokenizer_config.json",
            merged.Error,
            StringComparison.Ordinal);
        Assert.Equal(whole, sharded);
    }

    [Fact]
    public async Task Convert_WithoutAnExpert_WritesWhatExcludingItWrites()
    {
        using TemporaryDirectory directory = new();

        CliRun converted = await CliRun.Of("convert", Models, directory["part"], "--exclude", "legal,medical", "--json");
        CliRun part = await Generate(directory["part"]), whole = await Generate(Models);
        CliRun excluded = await Generate(Models, "--exclude", "legal,medical");

        JsonElement report = Assert.Single(converted.Json);
        Assert.Equal([4, 99, 1], new List<string> { "experts", "tensors", "files" }.Select(key => report.GetProperty(key).GetInt32()));
        Assert.Equal("", converted.Error);
        Assert.Equal(excluded, part);
        Assert.NotEqual(whole.Out, part.Out);
    }

    [Fact]
    public async Task Convert_AllOptions_AreHonoured()
    {
        using TemporaryDirectory directory = new();
        string[] options =
            ["--type", "f16", "--max-rank", "16", "--rank", "danish=4", "--allow", "public,danish,legal", "--experts", "split"];

        CliRun run = await CliRun.Of(["convert", Models, directory["x"], "--shard-size", "5MB", "--quiet", .. options]);
        JsonElement report = Assert.Single((await CliRun.Of("inspect", directory["x"], "--json")).Json);

        Assert.Equal((ExitCode.Ok, "", ""), (run.ExitCode, run.Out, run.Error));
        Assert.Equal(["F16"], report.GetProperty("stored_bytes_by_type").EnumerateObject().Select(p => p.Name));
        Assert.Equal(
            [("public", 0), ("legal", 16), ("danish", 4)],
            report.GetProperty("experts").EnumerateArray().Select(e => (e.GetProperty("name").GetString()!, Rank(e))));
    }

    [Fact]
    public async Task Convert_WithAnAdapter_WritesAnotherModel()
    {
        using TemporaryDirectory directory = new();
        RandomAdapter.Save(Models, directory["adapter"], @".*\.(q|k|v)_proj", saved: []);

        CliRun run = await CliRun.Of("convert", Models, directory["tuned"], "--adapter", directory["adapter"], "--quiet");
        CliRun whole = await Generate(Models), tuned = await Generate(directory["tuned"]);

        Assert.Equal((ExitCode.Ok, "", ""), (run.ExitCode, run.Out, run.Error));
        Assert.Equal(ExitCode.Ok, tuned.ExitCode);
        Assert.NotEqual(whole.Out, tuned.Out);
    }

    [Fact]
    public async Task Convert_AdapterThatDoesNotFit_IsRefusedByName()
    {
        using TemporaryDirectory directory = new();
        string adapter = TestData.Fixture("training/peft/qv_r4");

        CliRun run = await CliRun.Of("convert", Models, directory["x"], "--adapter", adapter);
        (await CliRun.Of("convert", Models, directory["x"], "--adapter", directory["none"])).AssertFails(ExitCode.NotLoaded, "adapter_config.json");

        Assert.Equal((ExitCode.NotLoaded, ""), (run.ExitCode, run.Out));
        Assert.Contains("adapter_model.safetensors", run.Error, StringComparison.Ordinal);
        Assert.Contains("missing: base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight", run.Error, StringComparison.Ordinal);
        Assert.Contains("found [4, 32]", run.Error, StringComparison.Ordinal);
        Assert.Empty(directory.Names);
    }

    [Fact]
    public async Task Convert_TakenDestination_NeedsForce()
    {
        using TemporaryDirectory directory = new();
        await CliRun.Of("convert", Models, directory["x"], "--quiet");

        (await CliRun.Of("convert", Models, directory["x"])).AssertFails(ExitCode.NotLoaded, "--force");

        Assert.Equal(ExitCode.Ok, (await CliRun.Of("convert", Models, directory["x"], "--force", "--quiet")).ExitCode);
        Assert.Equal(["x"], directory.Names);
    }

    [Fact]
    public async Task Synth_WithATokenizer_WritesAModelThatRuns()
    {
        using TemporaryDirectory directory = new();

        CliRun made = await CliRun.Of(
            "synth", directory["t"], "--shape", "tiny", "--vocab", "8192", "--tokenizer", Models, "--shards", "3", "--seed", "-5");
        CliRun text = await Generate(directory["t"]);

        Assert.Equal((ExitCode.Ok, ""), (made.ExitCode, made.Out));
        Assert.Contains("51 tensors, 2.30 MB in 3 files", made.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, text.ExitCode);
        Assert.NotEqual("\n", text.Out);
    }

    [Fact]
    public async Task Synth_Overrides_ReachTheModel()
    {
        using TemporaryDirectory directory = new();

        CliRun made = await CliRun.Of(
            "synth", directory["t"], "--config", Path.Combine(Models, "config.json"),
            "--layers", "1", "--hidden", "128", "--intermediate", "40", "--heads", "8", "--experts", "3",
            "--ranks", "0,4,0", "--k", "1", "--vocab", "600", "--type", "f32", "--shard-size", "100kB", "--json");
        JsonElement report = Assert.Single((await CliRun.Of("inspect", directory["t"], "--json")).Json);

        Assert.Equal(3, Assert.Single(made.Json).GetProperty("experts").GetInt32());
        JsonElement architecture = report.GetProperty("architecture");
        string[] keys =
            ["num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size", "num_experts_per_tok"];
        Assert.Equal([1, 128, 40, 8, 600, 1], keys.Select(key => architecture.GetProperty(key).GetInt32()));
        Assert.Equal([0, 4, 0], report.GetProperty("experts").EnumerateArray().Select(Rank));
    }

    [Fact]
    public async Task Interrupted_LeavesNothing()
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource stop = new();
        await stop.CancelAsync();
        StringWriter output = new(), error = new();

        int exitCode = await App.RunAsync(
            ["synth", directory["t"], "--shape", "tiny"], new Terminal(TextReader.Null, output, error), stop.Token);

        Assert.Equal((ExitCode.Interrupted, "", ""), (exitCode, output.ToString(), error.ToString()));
        Assert.Empty(directory.Names);
    }

    [Theory]
    [InlineData("17", 17)]
    [InlineData("5GB", 5_000_000_000)]
    [InlineData("1.5 kB", 1500)]
    [InlineData("2GiB", 2L << 30)]
    [InlineData("3mib", 3 << 20)]
    public void Bytes_AnyUnit_IsRead(string text, long expected) => Assert.Equal(expected, Parsers.Bytes(text));

    [Theory]
    [InlineData("")]
    [InlineData("GB")]
    [InlineData("0")]
    [InlineData("-5GB")]
    [InlineData("5G")]
    [InlineData("1e30")]
    [InlineData("99999999999TB")]
    public void Bytes_AnythingElse_IsRefused(string text) => Assert.Throws<FormatException>(() => Parsers.Bytes(text));

    private static int Rank(JsonElement expert) => expert.TryGetProperty("rank", out JsonElement rank) ? rank.GetInt32() : 0;

    private static Task<CliRun> Generate(string model, params string[] options) => CliRun.Of(
        ["generate", "--model", model, "--threads", "1", "--prompt", Prompt, "--greedy", "--max-tokens", "20", "--quiet", .. options]);
}
