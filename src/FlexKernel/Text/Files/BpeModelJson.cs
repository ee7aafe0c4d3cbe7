using System.Text;
using System.Text.Json;
using FlexKernel.Text.Bpe;

namespace FlexKernel.Text.Files;

/// <summary>Reads the <c>model</c> of a <c>tokenizer.json</c>.</summary>
internal static class BpeModelJson
{
    /// <summary>Reads it.</summary>
    /// <param name="node">The model.</param>
    /// <param name="addedTokens">The added tokens, which share the ids.</param>
    /// <exception cref="TokenizerException">The model is malformed, beyond a limit or not supported.</exception>
    public static BpeModel Read(JsonNode node, IReadOnlyCollection<AddedToken> addedTokens)
    {
        TokenizerJson.ExpectType(node, "BPE");

        // Every byte is a token, so there is never an unknown one to map, fuse or spell in bytes.
        node.ExpectOnly(
            "type",
            "dropout",
            "unk_token",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "fuse_unk",
            "byte_fallback",
            "ignore_merges",
            "vocab",
            "merges");
        node.ExpectNoEffect("dropout", IsZero);
        node.ExpectNoEffect("continuing_subword_prefix", IsEmptyString);
        node.ExpectNoEffect("end_of_word_suffix", IsEmptyString);
        bool wholeWordsFirst = node.TryGet("ignore_merges", out JsonNode ignoreMerges) && ignoreMerges.AsBoolean();

        Dictionary<string, int> ids = ReadVocabulary(node.Required("vocab"));
        string[] tokens = ById(node, ids, addedTokens);
        TokenTable table = BuildTable(node, tokens, addedTokens);
        return new BpeModel(FindBytes(node, ids), ReadMerges(node.Required("merges"), ids), table, wholeWordsFirst);
    }

    private static bool IsZero(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == 0;

    private static bool IsEmptyString(JsonElement value) => value.ValueKind == JsonValueKind.String && value.ValueEquals("");

    private static Dictionary<string, int> ReadVocabulary(JsonNode node)
    {
        node.Expect(JsonValueKind.Object);
        int count = node.Element.GetPropertyCount();
        if (count > TokenizerLimits.MaxVocabulary)
        {
            throw node.Error($"expected at most {TokenizerLimits.MaxVocabulary} tokens, found {count}");
        }

        Dictionary<string, int> ids = new(count, StringComparer.Ordinal);
        foreach ((string token, JsonNode value) in node.Properties())
        {
            ids.Add(token, value.AsInt32(TokenizerLimits.MaxVocabulary - 1));
        }

        return ids;
    }

    // The ids of vocabulary and added tokens together are 0 to the number of tokens - 1, each once.
    private static string[] ById(JsonNode node, Dictionary<string, int> ids, IReadOnlyCollection<AddedToken> addedTokens)
    {
        List<KeyValuePair<string, int>> all = [.. ids];
        foreach (AddedToken token in addedTokens)
        {
            if (!ids.TryGetValue(token.Content, out int id))
            {
                all.Add(KeyValuePair.Create(token.Content, token.Id));
            }
            else if (id != token.Id)
            {
                throw node.Error($"the added token {JsonNode.Quote(token.Content)} has the id {token.Id}, but the vocabulary says {id}");
            }
        }

        if (all.Count > TokenizerLimits.MaxVocabulary)
        {
            throw node.Error($"expected at most {TokenizerLimits.MaxVocabulary} tokens, added ones included, found {all.Count}");
        }

        string?[] tokens = new string?[all.Count];
        foreach ((string token, int id) in all)
        {
            if (id >= tokens.Length)
            {
                throw node.Error($"the ids have gaps: {JsonNode.Quote(token)} has the id {id}, but there are {tokens.Length} tokens");
            }

            if (tokens[id] is string other)
            {
                throw node.Error($"{JsonNode.Quote(other)} and {JsonNode.Quote(token)} have the same id {id}");
            }

            tokens[id] = token;
        }

        return tokens!;
    }

    private static TokenTable BuildTable(JsonNode node, string[] tokens, IReadOnlyCollection<AddedToken> addedTokens)
    {
        Dictionary<int, AddedToken> addedById = addedTokens.ToDictionary(token => token.Id);
        TokenTable.Builder builder = new(tokens.Length);
        Span<byte> bytes = stackalloc byte[TokenizerLimits.MaxTokenBytes];
        for (int id = 0; id < tokens.Length; id++)
        {
            string token = tokens[id];
            bool isAdded = addedById.TryGetValue(id, out AddedToken? added);
            bool inAlphabet = !isAdded && token.Length <= bytes.Length && ByteAlphabet.TryGetBytes(token, bytes);
            int length = inAlphabet ? token.Length : Encoding.UTF8.GetByteCount(token);
            if (length is 0 or > TokenizerLimits.MaxTokenBytes)
            {
                throw node.Error($"the token {id} has {length} bytes, expected 1 to {TokenizerLimits.MaxTokenBytes}");
            }

            // A token that is not written in the byte alphabet stands for its own text, and no word becomes it.
            if (!inAlphabet)
            {
                Encoding.UTF8.GetBytes(token, bytes);
            }

            builder.Add(bytes[..length], added?.IsSpecial ?? false, inAlphabet);
        }

        return builder.Build();
    }

    private static int[] FindBytes(JsonNode node, Dictionary<string, int> ids)
    {
        int[] byteIds = new int[256];
        for (int value = 0; value < byteIds.Length; value++)
        {
            if (!ids.TryGetValue(ByteAlphabet.ToChar((byte)value).ToString(), out byteIds[value]))
            {
                throw node.Error($"the vocabulary has no token for the byte 0x{value:X2}");
            }
        }

        return byteIds;
    }

    private static MergeTable ReadMerges(JsonNode node, Dictionary<string, int> ids)
    {
        node.Expect(JsonValueKind.Array);
        int count = node.Element.GetArrayLength();
        if (count > TokenizerLimits.MaxMerges)
        {
            throw node.Error($"expected at most {TokenizerLimits.MaxMerges} merges, found {count}");
        }

        MergeTable table = new(count);
        int rank = 0;
        foreach (JsonNode item in node.Items())
        {
            (string left, string right) = ReadMerge(item);
            if (!table.TryAdd(Find(item, left), Find(item, right), rank++, Find(item, left + right)))
            {
                throw item.Error($"the pair {JsonNode.Quote($"{left} {right}")} comes twice");
            }
        }

        return table;

        int Find(JsonNode item, string token) =>
            ids.TryGetValue(token, out int id) ? id : throw item.Error($"{JsonNode.Quote(token)} is not in the vocabulary");
    }

    private static (string Left, string Right) ReadMerge(JsonNode item)
    {
        if (item.Element.ValueKind == JsonValueKind.Array)
        {
            return item.Element.GetArrayLength() == 2 && item.Items().ToArray() is [JsonNode first, JsonNode second]
                ? (first.AsString(), second.AsString())
                : throw item.Error($"expected 2 tokens, found {item.Element.GetArrayLength()}");
        }

        string text = item.AsString();
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && space < text.Length - 1 && text.IndexOf(' ', space + 1) < 0
            ? (text[..space], text[(space + 1)..])
            : throw item.Error($"expected two tokens with a space between, found {item.Excerpt()}");
    }
}
