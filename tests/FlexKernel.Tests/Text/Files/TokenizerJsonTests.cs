using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Text;
using FlexKernel.Text.PreTokenizers;
using Xunit;

namespace FlexKernel.Tests.Text.Files;

public sealed class TokenizerJsonTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, (Action<JsonObject> Change, string Key, string Problem)> Cases = new()
    {
        ["unknown root key"] = (j => j["extra"] = 1, "extra", "not supported"),
        ["version"] = (j => j["version"] = "2.0", "version", "2.0"),
        ["truncation"] = (j => j["truncation"] = new JsonObject(), "truncation", "not supported"),
        ["padding"] = (j => j["padding"] = new JsonObject(), "padding", "not supported"),
        ["no model"] = (j => j.Remove("model"), "", "model is missing"),
        ["model type"] = (j => j["model"]!["type"] = "Unigram", "model.type", "expected BPE, found \"Unigram\""),
        ["model key"] = (j => j["model"]!["scores"] = 1, "model.scores", "not supported"),
        ["dropout"] = (j => j["model"]!["dropout"] = 0.1, "model.dropout", "0.1"),
        ["subword prefix"] = (j => j["model"]!["continuing_subword_prefix"] = "##", "model.continuing_subword_prefix", "##"),
        ["word suffix"] = (j => j["model"]!["end_of_word_suffix"] = "</w>", "model.end_of_word_suffix", "not supported"),
        ["vocabulary kind"] = (j => j["model"]!["vocab"] = new JsonArray(), "model.vocab", "expected object, found array"),
        ["negative id"] = (j => j["model"]!["vocab"]!["!"] = -1, "model.vocab.!", "-1"),
        ["fractional id"] = (j => j["model"]!["vocab"]!["!"] = 1.5, "model.vocab.!", "1.5"),
        ["id over the limit"] = (j => j["model"]!["vocab"]!["!"] = 1_048_576, "model.vocab.!", "1048576"),
        ["gap"] = (j => j["model"]!["vocab"]!["!"] = 300, "model", "gaps"),
        ["same id"] = (j => j["model"]!["vocab"]!["!"] = 40, "model", "same id 40"),
        ["missing byte"] = (j => Rename(j, "!", "!?"), "model", "0x21"),
        ["empty token"] = (j => Rename(j, "ld", ""), "model", "0 bytes"),
        ["long token"] = (j => j["model"]!["vocab"]![new string('x', 1025)] = 264, "model", "1025 bytes"),
        ["merge of three"] = (j => j["model"]!["merges"]![0] = "a b c", "model.merges[0]", "two tokens"),
        ["merge of one"] = (j => j["model"]!["merges"]![1] = "ab", "model.merges[1]", "two tokens"),
        ["merge pair of three"] = (j => j["model"]!["merges"]![0] = new JsonArray("a", "b", "c"), "model.merges[0]", "found 3"),
        ["merge kind"] = (j => j["model"]!["merges"]![0] = 5, "model.merges[0]", "expected string, found 5"),
        ["merge of unknown token"] = (j => j["model"]!["merges"]![0] = "h zz", "model.merges[0]", "\"zz\" is not in the vocabulary"),
        ["merge into unknown token"] = (j => j["model"]!["merges"]![0] = "h h", "model.merges[0]", "\"hh\" is not in the vocabulary"),
        ["merge twice"] = (j => j["model"]!["merges"]![1] = "h e", "model.merges[1]", "twice"),
        ["ignore_merges kind"] = (j => j["model"]!["ignore_merges"] = "no", "model.ignore_merges", "true or false"),
        ["added content twice"] = (j => j["added_tokens"]![1]!["content"] = "<s>", "added_tokens[1]", "twice"),
        ["added id twice"] = (j => j["added_tokens"]![1]!["id"] = 262, "added_tokens[1]", "262 comes twice"),
        ["added content empty"] = (j => j["added_tokens"]![1]!["content"] = "", "added_tokens[1].content", "found 0"),
        ["added content long"] = (j => j["added_tokens"]![1]!["content"] = new string('é', 513), "added_tokens[1].content", "found 1026"),
        ["added key"] = (j => j["added_tokens"]![1]!["weight"] = 1, "added_tokens[1].weight", "not supported"),
        ["added flag missing"] = (j => ((JsonObject)j["added_tokens"]![1]!).Remove("lstrip"), "added_tokens[1]", "lstrip is missing"),
        ["added id against vocabulary"] = (
            j => j["added_tokens"]![1]!["content"] = "he",
            "model",
            "has the id 263, but the vocabulary says 256"),
        ["added contents together"] = (j => AddLongTokens(j), "added_tokens", "longer than 1048576"),
        ["too many merges"] = (
            j => j["model"]!["merges"] = new JsonArray([.. Enumerable.Repeat(0, 4_000_001).Select(zero => JsonValue.Create(zero))]),
            "model.merges",
            "found 4000001"),
        ["normalizer"] = (
            j => j["normalizer"] = new JsonObject { ["type"] = "Lowercase" },
            "normalizer.type",
            "expected NFC, found \"Lowercase\""),
        ["normalizer chain"] = (j => j["normalizer"] = Chain(17), "normalizer", "at most 16"),
        ["pre-tokenizer null"] = (j => j["pre_tokenizer"] = null, "pre_tokenizer", "expected object"),
        ["pre-tokenizer type"] = (j => j["pre_tokenizer"] = new JsonObject { ["type"] = "Metaspace" }, "pre_tokenizer.type", "Metaspace"),
        ["two splits"] = (j => Steps(j).Insert(0, TinyTokenizer.Split("a")), "pre_tokenizer.pretokenizers", "expected ByteLevel"),
        ["byte level regex after split"] = (
            j => Step(j, 1)!["use_regex"] = true,
            "pre_tokenizer.pretokenizers[1].use_regex",
            "true is not supported"),
        ["prefix space after split"] = (
            j => Step(j, 1)!["add_prefix_space"] = true,
            "pre_tokenizer.pretokenizers[1].add_prefix_space",
            "true"),
        ["split behavior"] = (j => Step(j, 0)!["behavior"] = "MergedWithNext", "pre_tokenizer.pretokenizers[0].behavior", "MergedWithNext"),
        ["removed, not inverted"] = (j => Step(j, 0)!["behavior"] = "Removed", "pre_tokenizer.pretokenizers[0].behavior", "Removed"),
        ["unknown pattern"] = (j => Steps(j)[0] = TinyTokenizer.Split(@"\w+|\W"), "pre_tokenizer.pretokenizers[0].pattern", @"\w+|\W"),
        ["decoder"] = (j => j["decoder"]!["type"] = "Metaspace", "decoder.type", "expected ByteLevel"),
        ["no decoder"] = (j => j["decoder"] = null, "decoder", "expected object"),
        ["post-processor"] = (
            j => j["post_processor"] = new JsonObject { ["type"] = "RobertaProcessing" },
            "post_processor.type",
            "RobertaProcessing"),
        ["template without sequence"] = (j => j["post_processor"] = Template(Special("<s>")), "post_processor.single", "A is missing"),
        ["template of two sequences"] = (
            j => j["post_processor"] = Template(Sequence("A"), Sequence("A")),
            "post_processor.single[1].Sequence.id",
            "once"),
        ["template id"] = (
            j => j["post_processor"] = Template(Special("<s>"), Sequence("A"), id: 264),
            "post_processor.special_tokens.<s>.ids[0]",
            "264"),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Load_AMalformedFile_NamesTheKey(string name)
    {
        (Action<JsonObject> change, string key, string problem) = Cases[name];
        JsonObject json = TinyTokenizer.Json();
        change(json);

        TokenizerException error = Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json));

        Assert.Equal("tokenizer.json", error.File);
        Assert.Equal(key, error.Key);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"model\":{},\"model\":{}}")]
    [InlineData("{\"model\":{},\"\\u006dodel\":{}}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("{\"added_tokens\":[{\"id\":1,\"content\":\"\\ud800\"}]}")]
    [InlineData("{\"decoder\":{\"type\":\"\\udc00\"}}")]
    public void Load_MalformedJson_IsATypedError(string json) => Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json));

    [Fact]
    public void Load_InvalidUtf8_IsATypedError()
    {
        using MemoryStream stream = new([(byte)'{', (byte)'"', 0xDC, (byte)'"', (byte)':', (byte)'1', (byte)'}']);

        TokenizerException error = Assert.Throws<TokenizerException>(() => ByteLevelBpeTokenizer.Load(stream));

        Assert.Contains("not valid UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DeepJson_IsATypedError()
    {
        string json = $"{{\"model\":{new string('[', 100_000)}{new string(']', 100_000)}}}";

        Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json));
    }

    [Fact]
    public void Load_AFileBeyondTheLimit_IsATypedError()
    {
        byte[] blank = new byte[(64 << 20) + 1];
        Array.Fill(blank, (byte)' ');
        using MemoryStream stream = new(blank);

        TokenizerException error = Assert.Throws<TokenizerException>(() => ByteLevelBpeTokenizer.Load(stream));

        Assert.Contains("larger than 67108864 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TooManyTokens_IsATypedError()
    {
        StringBuilder json = new("{\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"a0\":0");
        for (int id = 1; id <= 1_048_576; id++)
        {
            json.Append(",\"a").Append(id).Append("\":").Append(id % 1000);
        }

        TokenizerException error = Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json.Append("}}}").ToString()));

        Assert.Equal("model.vocab", error.Key);
        Assert.Contains("found 1048577", error.Message, StringComparison.Ordinal);
    }

    // In globalization-invariant mode, in which the tests run, the base class library leaves text as it is.
    [Fact]
    public void Load_NfcWithoutGlobalizationData_IsATypedError()
    {
        Assert.False(NfcNormalizer.IsAvailable);
        JsonObject json = TinyTokenizer.Json();
        json["normalizer"] = Chain(2);

        TokenizerException error = Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json));

        Assert.Equal("normalizer", error.Key);
        Assert.Contains("invariant", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_MergesAsPairs_EqualsMergesAsStrings()
    {
        JsonObject json = TinyTokenizer.Json();
        string[][] pairs = [.. json["model"]!["merges"]!.AsArray().Select(merge => merge!.GetValue<string>().Split(' '))];
        json["model"]!["merges"] = new JsonArray([.. pairs.Select(pair => new JsonArray(pair[0], pair[1]))]);

        Assert.Equal(["hello", " w", "o", "r", "ld"], TinyTokenizer.Tokens(TinyTokenizer.Load(json), "hello world"));
        Assert.Equal(["hello", " w", "o", "r", "ld"], TinyTokenizer.Tokens(TinyTokenizer.Load(TinyTokenizer.Json()), "hello world"));
    }

    [Fact]
    public void Load_ATemplate_TellsItsIdsButDoesNotAddThem()
    {
        JsonObject json = TinyTokenizer.Json();
        json["post_processor"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["processors"] = new JsonArray(
                TinyTokenizer.ByteLevel(useRegex: true),
                Template(Special("<s>"), Sequence("A"), Special("<s>"), Special("<s>"))),
        };
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(json);

        Assert.Equal([262], tokenizer.PrefixIds);
        Assert.Equal([262, 262], tokenizer.SuffixIds);
        Assert.Equal(["hello"], TinyTokenizer.Tokens(tokenizer, "hello"));
    }

    [Fact]
    public void Load_AnUnknownPatternThatIsAllowed_RunsIt()
    {
        JsonObject json = TinyTokenizer.Json();
        Steps(json)[0] = TinyTokenizer.Split("l+", "Removed", invert: true);
        TokenizerOptions options = new() { AllowUnknownPattern = true };

        Assert.Equal(["ll", "l"], TinyTokenizer.Tokens(TinyTokenizer.Load(json, options: options), "hello l"));

        Step(json, 0)!["pattern"] = new JsonObject { ["String"] = "." };
        Step(json, 0)!["behavior"] = "Isolated";
        Assert.Equal(["ll", ".", "l"], TinyTokenizer.Tokens(TinyTokenizer.Load(json, options: options), "ll.l"));

        Steps(json)[0] = TinyTokenizer.Split("a++b(");
        TokenizerException error = Assert.Throws<TokenizerException>(() => TinyTokenizer.Load(json, options: options));
        Assert.Contains("a++b(", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 1)]
    [InlineData(5, -1)]
    [InlineData(5, (1 << 20) + 1)]
    public void Load_OptionsOutOfRange_Throws(int seconds, int words)
    {
        TokenizerOptions options = new() { PatternTimeout = TimeSpan.FromSeconds(seconds), CachedWords = words };

        Assert.Throws<ArgumentOutOfRangeException>(() => TinyTokenizer.Load(TinyTokenizer.Json(), options: options));
    }

    [Fact]
    public void Load_RandomlyDamagedFiles_GiveOnlyTypedErrors()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[] valid = Encoding.UTF8.GetBytes(TinyTokenizer.Json().ToJsonString());
        TokenizerOptions options = new() { AllowUnknownPattern = true, CachedWords = 0 };
        int rejected = 0;
        const int Rounds = 5000;
        for (int round = 0; round < Rounds; round++)
        {
            byte[] damaged = Damage(random, valid);
            try
            {
                using MemoryStream stream = new(damaged);
                ByteLevelBpeTokenizer.Load(stream, options: options).Encode("hello <s> 'ſ 12 [x]\n");
            }
            catch (TokenizerException)
            {
                rejected++;
            }
        }

        output.WriteLine($"{rejected} of {Rounds} rejected");
        Assert.InRange(rejected, Rounds / 2, Rounds);
    }

    private static byte[] Damage(Random random, byte[] valid)
    {
        byte[] tricks = Encoding.UTF8.GetBytes("\"{}[]:,0-1e9\\ud800ntrufalsĠ");
        List<byte> bytes = [.. valid];
        int count = random.Next(1, 4);
        for (int i = 0; i < count; i++)
        {
            // Most of the file is vocabulary; half of the damage goes to what is not.
            int at = random.Next(2) == 0 ? random.Next(bytes.Count) : random.Next(Math.Min(1000, bytes.Count));
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = tricks[random.Next(tricks.Length)];
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at));
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count - 10), 10));
                    break;
            }
        }

        return [.. bytes];
    }

    private static void Rename(JsonObject json, string from, string to)
    {
        JsonObject vocabulary = (JsonObject)json["model"]!["vocab"]!;
        int id = vocabulary[from]!.GetValue<int>();
        vocabulary.Remove(from);
        vocabulary.Add(to, id);
    }

    private static void AddLongTokens(JsonObject json)
    {
        for (int id = 264; id < 264 + 1100; id++)
        {
            ((JsonArray)json["added_tokens"]!).Add(TinyTokenizer.Added($"{id}{new string('x', 1000)}", id, special: false));
        }
    }

    private static JsonArray Steps(JsonObject json) => (JsonArray)json["pre_tokenizer"]!["pretokenizers"]!;

    private static JsonNode Step(JsonObject json, int index) => Steps(json)[index]!;

    private static JsonObject Chain(int length) => new()
    {
        ["type"] = "Sequence",
        ["normalizers"] = new JsonArray([.. Enumerable.Range(0, length).Select(_ => new JsonObject { ["type"] = "NFC" })]),
    };

    private static JsonObject Special(string id) => new() { ["SpecialToken"] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };

    private static JsonObject Sequence(string id) => new() { ["Sequence"] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };

    private static JsonObject Template(params JsonNode[] single) => Template(single, 262);

    private static JsonObject Template(JsonNode first, JsonNode second, int id) => Template([first, second], id);

    private static JsonObject Template(JsonNode[] single, int id) => new()
    {
        ["type"] = "TemplateProcessing",
        ["single"] = new JsonArray(single),
        ["pair"] = new JsonArray(),
        ["special_tokens"] = new JsonObject
        {
            ["<s>"] = new JsonObject { ["id"] = "<s>", ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray("<s>") },
        },
    };
}
