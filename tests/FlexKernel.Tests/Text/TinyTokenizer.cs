using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Text;
using FlexKernel.Text.Bpe;

namespace FlexKernel.Tests.Text;

/// <summary>A tokenizer file of the 256 bytes and a few merges, to be changed by a test.</summary>
internal static class TinyTokenizer
{
    public const string Cl100k =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] Merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "l d"];

    public static JsonObject Json()
    {
        JsonObject vocabulary = [];
        for (int value = 0; value < 256; value++)
        {
            vocabulary.Add(ByteAlphabet.ToChar((byte)value).ToString(), value);
        }

        foreach (string merge in Merges)
        {
            vocabulary.Add(merge.Replace(" ", "", StringComparison.Ordinal), vocabulary.Count);
        }

        JsonArray added = [];
        JsonObject root = new()
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(Split(Cl100k), ByteLevel(useRegex: false)),
            },
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(useRegex: true),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. Merges.Select(merge => JsonValue.Create(merge))]),
            },
        };
        added.Add(Added("<s>", 262, special: true));
        added.Add(Added("[x]", 263, special: false));
        return root;
    }

    public static JsonObject Added(string content, int id, bool special) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = special,
    };

    public static JsonObject Split(string pattern, string behavior = "Isolated", bool invert = false) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = pattern },
        ["behavior"] = behavior,
        ["invert"] = invert,
    };

    public static JsonObject ByteLevel(bool useRegex, bool prefixSpace = false) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = prefixSpace,
        ["trim_offsets"] = true,
        ["use_regex"] = useRegex,
    };

    public static ByteLevelBpeTokenizer Load(JsonObject json, string? config = null, TokenizerOptions? options = null) =>
        Load(json.ToJsonString(), config, options);

    public static ByteLevelBpeTokenizer Load(string json, string? config = null, TokenizerOptions? options = null)
    {
        using MemoryStream stream = new(Encoding.UTF8.GetBytes(json));
        using MemoryStream? configStream = config is null ? null : new MemoryStream(Encoding.UTF8.GetBytes(config));
        return ByteLevelBpeTokenizer.Load(stream, configStream, options);
    }

    /// <summary>The tokens of a text, each as the text it stands for.</summary>
    public static string[] Tokens(ByteLevelBpeTokenizer tokenizer, string text, AddedTokenParsing parsing = AddedTokenParsing.All) =>
        [.. tokenizer.Encode(text, parsing).Select(id => tokenizer.Decode([id]))];
}
