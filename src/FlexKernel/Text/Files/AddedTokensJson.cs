using System.Text;

namespace FlexKernel.Text.Files;

/// <summary>Reads the <c>added_tokens</c> of a <c>tokenizer.json</c>.</summary>
internal static class AddedTokensJson
{
    /// <summary>Reads them, by content.</summary>
    /// <param name="root">The file.</param>
    /// <exception cref="TokenizerException">A token is malformed, comes twice, or there are too many.</exception>
    public static Dictionary<string, AddedToken> Read(JsonNode root)
    {
        Dictionary<string, AddedToken> tokens = new(StringComparer.Ordinal);
        if (!root.TryGet("added_tokens", out JsonNode list) || list.IsNull)
        {
            return tokens;
        }

        HashSet<int> ids = [];
        int units = 0;
        foreach (JsonNode item in list.Items())
        {
            AddedToken token = ReadToken(item);
            if (!tokens.TryAdd(token.Content, token))
            {
                throw item.Error($"the content {JsonNode.Quote(token.Content)} comes twice");
            }

            if (!ids.Add(token.Id))
            {
                throw item.Error($"the id {token.Id} comes twice");
            }

            units += token.Content.Length;
            if (units > TokenizerLimits.MaxAddedTokenUnits)
            {
                throw list.Error($"the contents are longer than {TokenizerLimits.MaxAddedTokenUnits} characters together");
            }
        }

        return tokens;
    }

    private static AddedToken ReadToken(JsonNode item)
    {
        item.ExpectOnly("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        JsonNode content = item.Required("content");
        string text = content.AsString();
        int bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes is 0 or > TokenizerLimits.MaxTokenBytes)
        {
            throw content.Error($"expected 1 to {TokenizerLimits.MaxTokenBytes} bytes, found {bytes}");
        }

        return new AddedToken
        {
            Id = item.Required("id").AsInt32(TokenizerLimits.MaxVocabulary - 1),
            Content = text,
            IsSingleWord = item.Required("single_word").AsBoolean(),
            StripsLeft = item.Required("lstrip").AsBoolean(),
            StripsRight = item.Required("rstrip").AsBoolean(),
            IsNormalized = item.Required("normalized").AsBoolean(),
            IsSpecial = item.Required("special").AsBoolean(),
        };
    }
}
