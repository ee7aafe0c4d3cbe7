using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Packing;
using FlexKernel.Tests.Adapters;
using Xunit;

namespace FlexKernel.Tests.Cli;

/// <summary><c>--adapter</c> of the verbs that run a model: what they say of the model that <c>convert</c> merged.</summary>
public sealed class AdapterTests : IAsyncLifetime
{
    private const string Prompt = "The patient was";
    private readonly TemporaryDirectory _directory = new();

    private static string Models => TestData.Repository("models");

    private string Adapter => _directory["tuned"];

    public async ValueTask InitializeAsync()
    {
        RandomAdapter.Save(Models, Adapter, @".*\.(q|k|v)_proj", saved: []);
        (await CliRun.Of("convert", Models, _directory["merged"], "--adapter", Adapter, "--quiet")).AssertOk();
        File.WriteAllText(_directory["text.txt"], "A short text, to measure.");
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("generate", "--prompt", Prompt, "--greedy", "--max-tokens", "12")]
    [InlineData("generate", "--prompt", Prompt, "--greedy", "--max-tokens", "12", "--weights", "q8", "--exclude", "legal")]
    [InlineData("embed", "--json", Prompt)]
    [InlineData("chat", "--template", "plain", "--greedy", "--max-tokens", "12")]
    public async Task Adapter_AnyVerb_EqualsTheConvertedModel(params string[] args)
    {
        CliRun merged = await RunAsync(_directory["merged"], args), plain = await RunAsync(Models, args);
        CliRun adapted = await RunAsync(Models, [.. args, "--adapter", Adapter]);

        adapted.AssertOk();
        Assert.Equal(merged, adapted);
        Assert.NotEqual(plain.Out, adapted.Out);
    }

    [Fact]
    public async Task Route_WithAnAdapter_NamesItAndEqualsTheConvertedModel()
    {
        string[] args = ["route", "--text", Prompt, "--json"];

        JsonElement merged = Assert.Single((await RunAsync(_directory["merged"], args)).Json);
        JsonElement adapted = Assert.Single((await RunAsync(Models, [.. args, "--adapter", Adapter, "--html", _directory["page.html"]])).Json);

        Assert.Equal(("models", "tuned"), (adapted.GetProperty("model").GetString(), adapted.GetProperty("adapter").GetString()));
        Assert.Equal(JsonValueKind.Null, merged.GetProperty("adapter").ValueKind);
        Assert.Equal(merged.GetProperty("tokens").GetRawText(), adapted.GetProperty("tokens").GetRawText());
        Assert.Contains("<b>Adapter</b>tuned", File.ReadAllText(_directory["page.html"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eval_WithAnAdapter_NamesItAndEqualsTheConvertedModel()
    {
        string[] args = ["eval", _directory["text.txt"], "--json"];

        JsonElement merged = Assert.Single((await RunAsync(_directory["merged"], args)).Json);
        JsonElement adapted = Assert.Single((await RunAsync(Models, [.. args, "--adapter", Adapter])).Json);

        Assert.Equal(Adapter, adapted.GetProperty("adapter").GetString());
        Assert.Equal(JsonValueKind.Null, merged.GetProperty("adapter").ValueKind);
        Assert.Equal(merged.GetProperty("files").GetRawText(), adapted.GetProperty("files").GetRawText());
    }

    [Fact]
    public async Task Adapter_ThatCannotBeMerged_IsRefusedByName()
    {
        PackedModel.Write(Models, _directory["packed"]);
        string[] generate = ["generate", "--prompt", Prompt, "--adapter"];

        (await RunAsync(Models, [.. generate, _directory["none"]])).AssertFails(ExitCode.NotLoaded, _directory["none/adapter_config.json"]);
        (await RunAsync(_directory["packed"], [.. generate, Adapter])).AssertFails(ExitCode.Usage, "packed weights", Adapter);
        CliRun other = await RunAsync(Models, [.. generate, TestData.Fixture("training/peft/qv_r4")]);

        Assert.Equal((ExitCode.NotLoaded, ""), (other.ExitCode, other.Out));
        Assert.Contains("found [4, 32]", other.Error, StringComparison.Ordinal);
    }

    private static Task<CliRun> RunAsync(string model, string[] args) =>
        CliRun.With(args[0] == "chat" ? $"{Prompt}\n" : "", [.. args, "--model", model, "--threads", "1", "--quiet"]);
}
