using System.Globalization;
using System.Text.Json;

namespace FlexKernel.Text.Files;

/// <summary>What a <c>tokenizer_config.json</c> says about ids and lengths; chat templates and all else in it are not read here.</summary>
/// <param name="BosId">The id that begins a sequence.</param>
/// <param name="EosId">The id that ends a sequence.</param>
/// <param name="PadId">The id that fills batches up.</param>
/// <param name="UnkId">The id of the unknown token.</param>
/// <param name="MaxLength">The longest sequence, in tokens.</param>
internal sealed record TokenizerConfig(int? BosId, int? EosId, int? PadId, int? UnkId, int? MaxLength)
{
    /// <summary>No configuration.</summary>
    public static TokenizerConfig None { get; } = new(null, null, null, null, null);

    /// <summary>Reads the file.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="definition">The tokenizer, in which the tokens must be.</param>
    /// <exception cref="TokenizerException">The file is malformed or disagrees with the tokenizer.</exception>
    public static TokenizerConfig Read(Stream stream, string file, TokenizerDefinition definition)
    {
        JsonNode root = JsonNode.ReadFile(stream, file, out JsonDocument document);
        using (document)
        {
            CheckAddedTokens(root, definition);
            return new TokenizerConfig(
                ReadToken(root, "bos_token", definition),
                ReadToken(root, "eos_token", definition),
                ReadToken(root, "pad_token", definition),
                ReadToken(root, "unk_token", definition),
                ReadMaxLength(root));
        }
    }

    // Writers that know no limit write 1e30.
    private static int? ReadMaxLength(JsonNode root)
    {
        if (!root.TryGet("model_max_length", out JsonNode node) || node.IsNull)
        {
            return null;
        }

        return node.Element.ValueKind == JsonValueKind.Number && node.Element.TryGetDouble(out double length) && length >= 1
            ? length <= int.MaxValue ? (int)length : null
            : throw node.Error($"expected a number of at least 1, found {node.Excerpt()}");
    }

    // A token is a string, or an object that holds it with the flags of an added token.
    private static int? ReadToken(JsonNode root, string key, TokenizerDefinition definition)
    {
        if (!root.TryGet(key, out JsonNode node) || node.IsNull)
        {
            return null;
        }

        string content = (node.Element.ValueKind == JsonValueKind.Object ? node.Required("content") : node).AsString();
        return definition.Find(content) ?? throw node.Error($"the tokenizer has no token {JsonNode.Quote(content)}");
    }

    private static void CheckAddedTokens(JsonNode root, TokenizerDefinition definition)
    {
        if (!root.TryGet("added_tokens_decoder", out JsonNode decoder) || decoder.IsNull)
        {
            return;
        }

        foreach ((string id, JsonNode token) in decoder.Properties())
        {
            string content = token.Required("content").AsString();
            string found = definition.Find(content)?.ToString(CultureInfo.InvariantCulture) ?? "none";
            if (id != found)
            {
                throw token.Error($"the id of {JsonNode.Quote(content)} in the tokenizer is {found}");
            }
        }
    }
}
