using System.Text.Json;
using FlexKernel.Text.Bpe;
using FlexKernel.Text.PreTokenizers;

namespace FlexKernel.Text.Files;

/// <summary>Reads a <c>tokenizer.json</c>. What would change results and is not supported is an error that names the key.</summary>
internal static class TokenizerJson
{
    /// <summary>Reads the file.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="TokenizerException">The file cannot be used.</exception>
    public static TokenizerDefinition Read(Stream stream, string file, TokenizerOptions options)
    {
        JsonNode root = JsonNode.ReadFile(stream, file, out JsonDocument document);
        using (document)
        {
            root.ExpectOnly(
                "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
            root.ExpectNoEffect("version", value => value.ValueKind == JsonValueKind.String && value.ValueEquals("1.0"));
            root.ExpectNoEffect("truncation", _ => false);
            root.ExpectNoEffect("padding", _ => false);
            ExpectType(root.Required("decoder"), "ByteLevel");

            Dictionary<string, AddedToken> addedTokens = AddedTokensJson.Read(root);
            BpeModel model = BpeModelJson.Read(root.Required("model"), addedTokens.Values);
            (WordScanner scanner, bool prefixSpace) = PreTokenizerJson.Read(root.Required("pre_tokenizer"), file, options);
            (int[] prefixIds, int[] suffixIds) = PostProcessorJson.Read(root, model.Tokens.Count);
            return new TokenizerDefinition
            {
                Model = model,
                AddedTokens = addedTokens,
                Scanner = scanner,
                PrefixSpace = prefixSpace,
                Normalizer = ReadNormalizer(root),
                PrefixIds = prefixIds,
                SuffixIds = suffixIds,
            };
        }
    }

    /// <summary>Fails unless an object has a certain <c>type</c>.</summary>
    public static void ExpectType(JsonNode node, string type)
    {
        JsonNode found = node.Required("type");
        if (found.AsString() != type)
        {
            throw found.Error($"expected {type}, found {found.Excerpt()}");
        }
    }

    private static NfcNormalizer? ReadNormalizer(JsonNode root)
    {
        if (!root.TryGet("normalizer", out JsonNode node) || node.IsNull)
        {
            return null;
        }

        List<JsonNode> chain = [node];
        if (node.Required("type").AsString() == "Sequence")
        {
            node.ExpectOnly("type", "normalizers");
            chain = [.. node.Required("normalizers").Items().Take(TokenizerLimits.MaxNormalizers + 1)];
            if (chain.Count > TokenizerLimits.MaxNormalizers)
            {
                throw node.Error($"expected at most {TokenizerLimits.MaxNormalizers} normalizers, found more");
            }
        }

        foreach (JsonNode step in chain)
        {
            step.ExpectOnly("type");
            ExpectType(step, "NFC");
        }

        if (chain.Count > 0 && !NfcNormalizer.IsAvailable)
        {
            throw node.Error("NFC needs globalization data, but this process runs in globalization-invariant mode");
        }

        // A second pass over composed text changes nothing.
        return chain.Count > 0 ? new NfcNormalizer() : null;
    }
}
