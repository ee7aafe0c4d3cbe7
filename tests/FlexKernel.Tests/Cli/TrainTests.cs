using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

/// <summary><c>train base</c>, <c>expert</c>, <c>router</c> and <c>resume</c>, and <c>finetune</c>.</summary>
public sealed class TrainTests : IDisposable
{
    private const int Documents = 60;

    private readonly TemporaryDirectory _files = new();

    private static string Models => TestData.Repository("models");

    public void Dispose() => _files.Dispose();

    [Fact]
    public async Task Base_FromRandomWeights_LearnsAndWritesAModelThatGenerates()
    {
        CliRun run = await BaseAsync("base", "--steps", "30", "--json");

        JsonElement result = Assert.Single(run.Json);
        Assert.True(result.GetProperty("complete").GetBoolean());
        Assert.Equal((30, 30, 30 * 2 * 16), (Int(result, "step"), Int(result, "steps"), Int(result, "tokens")));
        Assert.True(Double(result, "last_bits_per_byte") < Double(result, "first_bits_per_byte"), run.Out);
        Assert.Equal(_files["base/model"], result.GetProperty("output").GetString());
        Assert.Equal(JsonValueKind.Null, result.GetProperty("frozen_sha256").ValueKind);
        Assert.Equal(
            ["checkpoints", "log.jsonl", "loss.svg", "model", "run.json", "start"],
            Directory.EnumerateFileSystemEntries(_files["base"]).Select(entry => Path.GetFileName(entry)!).Where(name => name != ".lock").Order());
        (await GenerateAsync("base/model")).AssertOk();
    }

    [Fact]
    public async Task Base_FromAModel_GoesOnWhereItEnded()
    {
        CliRun first = await BaseAsync("base", "--steps", "20", "--json");
        CliRun more = await TrainAsync("base", "more", "--from", _files["base/model"], "--steps", "4", "--first-sequence", "40", "--optimizer", "adamw", "--json");

        more.AssertOk();
        Assert.Equal(Double(first.Json[0], "last_bits_per_byte"), Double(more.Json[0], "first_bits_per_byte"), 0.02);
        Assert.False(Directory.Exists(_files["more/start"]));
    }

    [Fact]
    public async Task Expert_BesideADenseModel_IsOneThatRouterTrainingAndOthersTake()
    {
        (await BaseAsync("base", "--steps", "2")).AssertOk();
        string publicTexts = WriteTexts("public.jsonl", i => $"A public text has the number {i}, and another one the number {i + 1}. No more than that.");

        CliRun run = await TrainAsync(
            "expert", "sums", "--model", _files["base/model"], "--public", publicTexts, "--rank", "4", "--router-bias", "-0.1", "--steps", "4", "--json");
        CliRun tuned = await TrainAsync("router", "router", "--model", _files["sums/model"], "--steps", "2", "--json");

        run.AssertOk();
        Assert.Equal(64, run.Json[0].GetProperty("frozen_sha256").GetString()!.Length);
        Assert.Equal(["public", "sums"], await ExpertsAsync("sums/model"));
        Assert.NotEqual((await GenerateAsync("sums/model")).Out, (await GenerateAsync("sums/model", "--exclude", "sums")).Out);
        tuned.AssertOk();
        Assert.Contains("opt-out is not exact", tuned.Error, StringComparison.Ordinal);
        Assert.Equal("not-exact", Config("router/model")["opt_out"]!.GetValue<string>());
        Assert.Null(Config("sums/model")["opt_out"]);
        (await GenerateAsync("router/model")).AssertOk();
    }

    [Fact]
    public async Task Expert_BesideAMixture_IsNamedAndWrites()
    {
        CliRun run = await TrainAsync("expert", "letters", "--model", Models, "--optimizer", "muon", "--steps", "2", "--batch", "1");

        run.AssertOk();
        Assert.Equal("", run.Out);
        Assert.Matches(@"step 1/2  loss \d+\.\d{3}  \d\.\d{4} bits/byte  \S+ tokens/s \(\S+ % of peak\)  0:0\d left\n", run.Error);
        Assert.Matches(@"validation, bits per byte: \d\.\d{4} before, \d\.\d{4} now\n", run.Error);
        Assert.Contains($"2 steps, 32 tokens in 0:0", run.Error, StringComparison.Ordinal);
        Assert.Contains($"wrote {_files["letters/model"]}\n", run.Error, StringComparison.Ordinal);
        Assert.Matches("what was frozen did not change: SHA-256 [0-9a-f]{64}\n$", run.Error);
        Assert.Equal(["public", "letters"], await ExpertsAsync("letters/model"));
        (await GenerateAsync("letters/model", "--allow", "letters")).AssertOk();
        Assert.Contains("letters", (await CliRun.Of("inspect", _files["letters/model"])).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Finetune_OnTexts_WritesAnAdapterThatIsMergedAndGoesOn()
    {
        (await BaseAsync("base", "--steps", "2")).AssertOk();
        string[] texts = ["--texts", "--model", _files["base/model"], "--steps", "3", "--batch", "2"];

        CliRun run = await TrainAsync("finetune", "tuned", [.. texts, "--rank", "2", "--alpha", "4", "--targets", "q_proj,down_proj", "--rate", "0.01"]);
        CliRun more = await TrainAsync("finetune", "more", [.. texts, "--adapter", _files["tuned/adapter"], "--json"]);
        CliRun dropping = await TrainAsync("finetune", "dropping", [.. texts, "--adapter", _files["tuned/adapter"], "--lora-dropout", "0.1", "--json"]);
        CliRun onward = await TrainAsync("finetune", "onward", [.. texts, "--adapter", _files["dropping/adapter"], "--json"]);
        CliRun merged = await CliRun.Of("convert", _files["base/model"], _files["merged"], "--adapter", _files["tuned/adapter"], "--quiet");

        run.AssertOk();
        Assert.Contains($"try it with: flexkernel generate --model {_files["base/model"]} --adapter {_files["tuned/adapter"]}\n", run.Error, StringComparison.Ordinal);
        Assert.Equal((2, 4), (Config("tuned/adapter", "adapter_config.json")["r"]!.GetValue<int>(), Config("tuned/adapter", "adapter_config.json")["lora_alpha"]!.GetValue<double>()));
        Assert.Equal(_files["more/adapter"], more.Json[0].GetProperty("output").GetString());
        Assert.False(TestData.Bytes(_files["more/adapter/adapter_model.safetensors"]).SequenceEqual(TestData.Bytes(_files["tuned/adapter/adapter_model.safetensors"])));
        Assert.NotEqual(more.Json[0].GetProperty("sha256").GetString(), dropping.Json[0].GetProperty("sha256").GetString());
        Assert.Equal(more.Json[0].GetProperty("first_bits_per_byte").GetDouble(), dropping.Json[0].GetProperty("first_bits_per_byte").GetDouble());
        onward.AssertOk();
        Assert.All(["dropping/adapter", "onward/adapter"], adapter => Assert.Equal(0.1, Config(adapter, "adapter_config.json")["lora_dropout"]!.GetValue<double>()));
        (await TrainAsync("finetune", "other", [.. texts, "--lora-dropout", "1"])).AssertFails(ExitCode.Usage, "--lora-dropout", "below 1");
        merged.AssertOk();
        Assert.False(TestData.Bytes(_files["merged/model.safetensors"]).SequenceEqual(Weights("base")));
        (await GenerateAsync("merged")).AssertOk();
        (await TrainAsync("finetune", "other", [.. texts, "--adapter", _files["tuned/adapter"], "--rank", "4"])).AssertFails(ExitCode.Usage, "--adapter", "--rank");
        (await TrainAsync("finetune", "more", [.. texts, "--force", "--targets", "q_prof"])).AssertFails(ExitCode.NotLoaded, "q_prof");
        Assert.True(File.Exists(_files["more/adapter/adapter_model.safetensors"]));
        (await TrainAsync("finetune", "more", [.. texts, "--force"])).AssertOk();
    }

    [Fact]
    public async Task Cache_AfterARun_ListsAndPurgesTheTokens()
    {
        (await BaseAsync("run", "--steps", "1")).AssertOk();

        CliRun list = await CliRun.Of("cache", "--cache-dir", _files["cache"], "--json");
        string file = Assert.Single(list.Json).GetProperty("tokens").GetString()!;
        Assert.Equal((Path.GetFullPath(_files["cache"]), new FileInfo(file).Length), (Path.GetDirectoryName(file), list.Json[0].GetProperty("bytes").GetInt64()));
        Assert.Contains(file, (await CliRun.Of("cache", "--cache-dir", _files["cache"])).Out, StringComparison.Ordinal);

        CliRun purge = await CliRun.Of("cache", "purge", "--cache-dir", _files["cache"]);
        purge.AssertOk();
        Assert.Contains("tokens of 1 set of texts", purge.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(file));
        Assert.Contains("nothing", (await CliRun.Of("cache", "--cache-dir", _files["cache"])).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Finetune_OnConversations_GoesOnAfterAPauseToTheSameBits()
    {
        StringBuilder lines = new();
        for (int i = 0; i < Documents; i++)
        {
            lines.Append($$"""{"messages":[{"role":"user","content":"How much is {{i}} and {{i}}?"},{"role":"assistant","content":"It is {{2 * i}}."}]}""").Append('\n');
        }

        string chats = _files.Write("chats.jsonl", Encoding.UTF8.GetBytes(lines.ToString()));
        string silent = _files.Write("silent.jsonl", """{"messages":[{"role":"user","content":"Hello?"}]}"""u8);
        string[] Finetune(string run, string data, params string[] more) =>
            Arguments("finetune", run, data, ["--model", Models, "--rank", "2", "--steps", "3", "--window", "64", "--validation-share", "0.1", "--json", .. more]);

        CliRun whole = await CliRun.Of(Finetune("whole", chats));
        CliRun paused = await CliRun.Of(Finetune("pieces", chats, "--pause-after", "0.001s"));
        string[] kept = Directory.GetFiles(_files["cache"]);
        CliRun rest = await ResumeAsync("pieces", "--json");
        CliRun apart = await CliRun.Of(Finetune("apart", chats, "--no-pack"));

        Assert.False(paused.Json[0].GetProperty("complete").GetBoolean());
        Assert.Equal(Assert.Single(kept), Assert.Single(Directory.GetFiles(_files["cache"])));
        Assert.NotEqual(whole.Json[0].GetProperty("sha256").GetString(), apart.Json[0].GetProperty("sha256").GetString());
        Assert.Equal(Double(whole.Json[0], "last_bits_per_byte"), Double(apart.Json[0], "last_bits_per_byte"), 1e-4);
        Assert.Equal(whole.Json[0].GetProperty("sha256").GetString(), rest.Json[0].GetProperty("sha256").GetString());
        Assert.True(Double(whole.Json[0], "last_bits_per_byte") != Double(whole.Json[0], "first_bits_per_byte"));
        (await CliRun.Of(Finetune("run", silent))).AssertFails(ExitCode.Failed, silent, "line 1", "assistant");
        (await CliRun.Of(Finetune("run", chats, "--mix", "1"))).AssertFails(ExitCode.Usage, "--mix", "conversations");
        (await CliRun.Of(Finetune("run", chats, "--texts", "--no-pack"))).AssertFails(ExitCode.Usage, "--no-pack");
        (await CliRun.Of(Finetune("run", _files["texts.jsonl"]))).AssertFails(ExitCode.NotLoaded, "texts.jsonl");
    }

    [Fact]
    public async Task Paused_ThenResumed_GivesTheResultOfOnePiece()
    {
        CliRun whole = await BaseAsync("whole", "--steps", "5", "--json");
        CliRun paused = await BaseAsync("pieces", "--steps", "5", "--pause-after", "0.001s", "--checkpoint-every", "0.001s", "--json");
        CliRun told = await ResumeAsync("pieces", "--pause-after", "0.001s", "--threads", "2", "--path", "scalar");
        CliRun rest = await ResumeAsync("pieces", "--recompute", "--json");

        Assert.Equal((false, 1), (paused.Json[0].GetProperty("complete").GetBoolean(), Int(paused.Json[0], "step")));
        Assert.Equal(JsonValueKind.Null, paused.Json[0].GetProperty("output").ValueKind);
        Assert.Matches($"paused at step 2 of 5 .*; go on with: flexkernel train resume {_files["pieces"]}\n$", told.Error);
        Assert.True(rest.Json[0].GetProperty("complete").GetBoolean());
        Assert.All(["sha256", "tokens", "last_bits_per_byte"], name =>
            Assert.Equal(whole.Json[0].GetProperty(name).GetRawText(), rest.Json[0].GetProperty(name).GetRawText()));
        Assert.Equal(Weights("whole"), Weights("pieces"));
        Assert.Equal(rest.Json[0].GetProperty("sha256").GetString(), (await ResumeAsync("pieces", "--json")).Json[0].GetProperty("sha256").GetString());
    }

    [Fact]
    public async Task Interrupted_Returns130AndSaysHowToGoOn()
    {
        CliRun whole = await BaseAsync("whole", "--steps", "4", "--json");
        using CancellationTokenSource stop = new();
        CancellingWriter error = new("step 1/4", stop);

        int exitCode = await App.RunAsync(BaseArguments("run", "--steps", "4"), new Terminal(TextReader.Null, TextWriter.Null, error), stop.Token);
        CliRun rest = await ResumeAsync("run", "--json");

        Assert.Equal(ExitCode.Interrupted, exitCode);
        Assert.EndsWith($"stopped with a checkpoint; go on with: flexkernel train resume {_files["run"]}\n", error.ToString(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_files["run/checkpoints/step-00000004.tmp"]));
        Assert.Equal(whole.Json[0].GetProperty("sha256").GetString(), rest.Json[0].GetProperty("sha256").GetString());
    }

    [Fact]
    public async Task Quiet_WritesNothing() =>
        Assert.Equal(new CliRun(ExitCode.Ok, "", ""), await BaseAsync("base", "--steps", "2", "--quiet"));

    [Fact]
    public async Task Mix_AndNoValidation_ReachTheRun()
    {
        string more = WriteTexts("more.jsonl", i => $"Of {i} things there are {i}, which everybody knows who can count to {i}.");

        CliRun run = await BaseAsync("base", "--data", more, "--mix", "3,1", "--validation-share", "0.001", "--steps", "2");

        run.AssertOk();
        JsonNode data = JsonNode.Parse(File.ReadAllText(_files["base/run.json"]))!["data"]!;
        Assert.Equal([3, 1], data["weights"]!.AsArray().Select(weight => weight!.GetValue<int>()));
        Assert.Contains("no document falls into the share kept for validation", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("bits per byte", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunThatIsThere_IsDeletedByForceAlone_AndNothingElseIs()
    {
        (await BaseAsync("run", "--steps", "2")).AssertOk();
        string model = _files["run/model/model.safetensors"];

        (await BaseAsync("run", "--steps", "2")).AssertFails(ExitCode.NotLoaded, $"train resume {_files["run"]}", "--force");
        (await BaseAsync("run", "--steps", "2", "--warmup", "2", "--force")).AssertFails(ExitCode.Usage, "--warmup", "2 steps");
        File.WriteAllText(_files["run/notes.txt"], "mine");
        (await BaseAsync("run", "--steps", "2", "--force")).AssertFails(ExitCode.NotLoaded, _files["run"], "'notes.txt'");
        Assert.True(File.Exists(model));

        File.Delete(_files["run/notes.txt"]);
        CliRun again = await BaseAsync("run", "--steps", "3", "--force", "--json");
        Assert.Equal(3, Int(Assert.Single(again.Json), "step"));
    }

    [Fact]
    public async Task DirectoryOfSomethingElse_IsNeverDeleted()
    {
        Directory.CreateDirectory(_files["mine/model"]);
        Directory.CreateDirectory(_files["mine/start-up"]);

        (await BaseAsync("mine", "--steps", "2", "--force")).AssertFails(ExitCode.NotLoaded, _files["mine"], "new or empty directory");
        (await TrainAsync("expert", "mine", "--model", Models, "--force")).AssertFails(ExitCode.NotLoaded, _files["mine"]);
        (await BaseAsync("texts.jsonl", "--force")).AssertFails(ExitCode.NotLoaded, _files["texts.jsonl"], "found a file");

        Assert.True(Directory.Exists(_files["mine/model"]) && Directory.Exists(_files["mine/start-up"]));
    }

    [Fact]
    public async Task MalformedTexts_AreNamedByFileAndLine_AndLeaveNoRun()
    {
        string broken = _files.Write("broken.jsonl", Encoding.UTF8.GetBytes("{\"text\":\"one\"}\n{\"text\":\n"));
        string other = _files.Write("other.jsonl", Encoding.UTF8.GetBytes("{\"body\":\"one\"}\n"));

        (await BaseAsync("run", "--validation", broken)).AssertFails(ExitCode.Failed, broken, "line 2", "JSON");
        (await BaseAsync("run", "--validation", other)).AssertFails(ExitCode.Failed, other, "line 1", "\"text\"");

        (await BaseAsync("run", "--steps", "1")).AssertOk();
    }

    [Fact]
    public async Task EndOfText_IsTheTokenizers_OrNamedAsNoneOfIt()
    {
        (await CliRun.Of("synth", _files["larger"], "--shape", "tiny", "--vocab", "9000", "--tokenizer", Models, "--quiet")).AssertOk();
        JsonObject config = Config("larger", "config.json");
        Assert.Equal(Config(Models, "config.json")["eos_token_id"]!.GetValue<int>(), config["eos_token_id"]!.GetValue<int>());

        config["eos_token_id"] = 8999;
        _files.Write("larger/config.json", Encoding.UTF8.GetBytes(config.ToJsonString()));
        (await CliRun.Of(Arguments("base", "run", WriteTexts(), "--from", _files["larger"])))
            .AssertFails(ExitCode.NotLoaded, "config.json", "eos_token_id", "8192", "8999");
    }

    [Fact]
    public async Task TooLittleText_SaysHowMuchThereIs()
    {
        string few = _files.Write("few.txt", "Hello, world."u8);

        (await CliRun.Of(Arguments("base", "run", few, "--from", Models))).AssertFails(ExitCode.NotLoaded, few, "one sequence of 16 tokens", "found 6");
        (await CliRun.Of([.. Arguments("expert", "run", WriteTexts(), "--model", Models), "--validation-share", "1"])).AssertFails(
            ExitCode.NotLoaded, $"{Documents} of {Documents} documents being kept for validation");
    }

    [Fact]
    public async Task DenseModel_NeedsPublicTextsForAnExpert_AndHasNoRouter()
    {
        (await BaseAsync("base", "--steps", "1")).AssertOk();

        (await TrainAsync("expert", "run", "--model", _files["base/model"])).AssertFails(ExitCode.Usage, "--public TEXTS", "--public-embedding FILE");
        (await TrainAsync("router", "run", "--model", _files["base/model"])).AssertFails(ExitCode.Usage, _files["base/model"], "mixture");

        Assert.False(Directory.Exists(_files["run"]));
    }

    [Fact]
    public async Task ModelThatIsNotTrained_SaysWhatItHas()
    {
        (await BaseAsync("base", "--steps", "1")).AssertOk();
        JsonObject config = Config("base/model");
        config["tie_word_embeddings"] = true;
        File.WriteAllText(_files["base/model/config.json"], config.ToJsonString());

        CliRun run = await TrainAsync("base", "run", "--from", _files["base/model"], "--steps", "1");

        Assert.Equal(ExitCode.NotLoaded, run.ExitCode);
        Assert.Contains("tied embeddings", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ExitCode.Usage, "base, expert, router, resume", "train")]
    [InlineData(ExitCode.Usage, "'RUN'", "train", "base")]
    [InlineData(ExitCode.Usage, "--from MODEL", "train", "base", "RUN")]
    [InlineData(ExitCode.Usage, "--tokenizer", "train", "base", "RUN", "--shape", "tiny")]
    [InlineData(ExitCode.Usage, "--data", "train", "expert", "RUN", "--model", "MODELS")]
    [InlineData(ExitCode.Usage, "--data", "train", "router", "RUN", "--model", "MODELS")]
    [InlineData(ExitCode.NotLoaded, "/nowhere", "train", "expert", "RUN", "--model", "MODELS", "--data", "/nowhere")]
    [InlineData(ExitCode.NotLoaded, "/nowhere", "train", "expert", "RUN", "--model", "/nowhere", "--data", "TEXTS")]
    [InlineData(ExitCode.NotLoaded, "run.json", "train", "resume", "RUN")]
    [InlineData(ExitCode.Usage, "1024 positions", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--window", "1025")]
    [InlineData(ExitCode.Usage, "--mix: expected a number for each of the 1 --data, found 2", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--mix", "1,2")]
    [InlineData(ExitCode.Usage, "--optimizer: expected adamw, muon or adafactor", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--optimizer", "sgd")]
    [InlineData(ExitCode.Usage, "--schedule: expected cosine, linear or wsd", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--schedule", "step")]
    [InlineData(ExitCode.Usage, "--steps and --tokens", "train", "base", "RUN", "--from", "MODELS", "--data", "TEXTS", "--steps", "2", "--tokens", "9")]
    [InlineData(ExitCode.Usage, "--rate: expected a number above 0", "train", "base", "RUN", "--from", "MODELS", "--data", "TEXTS", "--rate", "0")]
    [InlineData(ExitCode.Usage, "--router-bias", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--router-bias", "0.5")]
    [InlineData(ExitCode.Usage, "public, code, math", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--public-expert", "nobody")]
    [InlineData(ExitCode.Usage, "--name: expected another name", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--name", "public")]
    [InlineData(ExitCode.Usage, "--deadline: expected a time such as 90s", "train", "expert", "RUN", "--model", "MODELS", "--data", "TEXTS", "--deadline", "soon")]
    public async Task WrongCommandLine_IsOneLineThatSaysWhatIsRight_AndMakesNothing(int exitCode, string right, params string[] args)
    {
        WriteTexts();
        string[] given = Array.ConvertAll(args, arg => arg switch { "RUN" => _files["run"], "MODELS" => Models, "TEXTS" => _files["texts.jsonl"], _ => arg });

        (await CliRun.Of(given)).AssertFails(exitCode, right);

        Assert.False(Directory.Exists(_files["run"]));
    }

    private static int Int(JsonElement element, string name) => element.GetProperty(name).GetInt32();

    private static double Double(JsonElement element, string name) => element.GetProperty(name).GetDouble();

    private string WriteTexts(string name = "texts.jsonl", Func<int, string>? text = null)
    {
        StringBuilder lines = new();
        for (int i = 0; i < Documents; i++)
        {
            string document = text is null ? $"Document {i} says: {i} and {i + 1} make {2 * i + 1}; {i} times two is {2 * i}. The end of it." : text(i);
            lines.Append(new JsonObject { ["text"] = document }.ToJsonString()).Append('\n');
        }

        return _files.Write(name, Encoding.UTF8.GetBytes(lines.ToString()));
    }

    private string[] Arguments(string verb, string run, string texts, params string[] more) =>
    [
        .. verb == "finetune" ? (string[])["finetune"] : ["train", verb], _files[run], "--data", texts, "--cache-dir", _files["cache"], "--threads", "1",
        .. more.Contains("--window") ? (string[])[] : ["--window", "16"], .. more.Contains("--batch") ? more : ["--batch", "2", .. more],
    ];

    private string[] BaseArguments(string run, params string[] more) => Arguments(
        "base",
        run,
        WriteTexts(),
        [
            "--shape", "olmo2-7b", "--layers", "2", "--hidden", "32", "--heads", "2", "--intermediate", "64", "--vocab", "8192", "--tokenizer", Models,
            .. more.Contains("--validation") || more.Contains("--validation-share") ? more : ["--validation-share", "0.2", .. more],
        ]);

    private Task<CliRun> BaseAsync(string run, params string[] more) => CliRun.Of(BaseArguments(run, more));

    private Task<CliRun> TrainAsync(string verb, string run, params string[] more) =>
        CliRun.Of([.. Arguments(verb, run, WriteTexts(), more), "--validation-share", "0.2"]);

    private Task<CliRun> ResumeAsync(string run, params string[] more) => CliRun.Of(["train", "resume", _files[run], "--cache-dir", _files["cache"], .. more]);

    private Task<CliRun> GenerateAsync(string model, params string[] more) =>
        CliRun.Of(["generate", "--model", _files[model], "--prompt", "Document 7 says", "--greedy", "--ignore-eos", "--max-tokens", "6", "--threads", "1", "--quiet", .. more]);

    private async Task<string[]> ExpertsAsync(string model)
    {
        JsonElement report = Assert.Single((await CliRun.Of("inspect", _files[model], "--json")).Json);
        return [.. report.GetProperty("experts").EnumerateArray().Select(expert => expert.GetProperty("name").GetString()!)];
    }

    private JsonObject Config(string model, string file = "config.json") => JsonNode.Parse(File.ReadAllText(Path.Combine(_files[model], file)))!.AsObject();

    private byte[] Weights(string run) => TestData.Bytes(_files[$"{run}/model/model.safetensors"]);

    /// <summary>Cancels when a text is written to it.</summary>
    private sealed class CancellingWriter(string text, CancellationTokenSource stop) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.Contains(text, StringComparison.Ordinal) == true)
            {
                stop.Cancel();
            }
        }
    }
}
