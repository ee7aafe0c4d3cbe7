using System.Text.RegularExpressions;
using FlexKernel.Text.PreTokenizers;

namespace FlexKernel.Text.Files;

/// <summary>Reads the <c>pre_tokenizer</c> of a <c>tokenizer.json</c>: byte level, alone or after one split by a pattern.</summary>
internal static class PreTokenizerJson
{
    /// <summary>Reads it.</summary>
    /// <param name="node">The pre-tokenizer.</param>
    /// <param name="file">The file, for errors at run time.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="TokenizerException">It is malformed or not supported.</exception>
    public static (WordScanner Scanner, bool PrefixSpace) Read(JsonNode node, string file, TokenizerOptions options)
    {
        if (node.Required("type").AsString() != "Sequence")
        {
            return ReadByteLevel(node);
        }

        node.ExpectOnly("type", "pretokenizers");
        JsonNode steps = node.Required("pretokenizers");
        switch (steps.Items().Take(3).ToArray())
        {
            case [JsonNode only]:
                return ReadByteLevel(only);

            case [JsonNode split, JsonNode byteLevel]:
                WordScanner scanner = ReadSplit(split, file, options);
                ReadByteLevel(byteLevel);
                byteLevel.ExpectNoEffect("add_prefix_space", value => !value.GetBoolean());
                byteLevel.ExpectNoEffect("use_regex", value => !value.GetBoolean());
                return byteLevel.TryGet("use_regex", out _)
                    ? (scanner, false)
                    : throw byteLevel.Error("the key use_regex is missing, and its default true is not supported after a split");

            default:
                throw steps.Error("expected ByteLevel, or Split and ByteLevel");
        }
    }

    private static (WordScanner Scanner, bool PrefixSpace) ReadByteLevel(JsonNode node)
    {
        TokenizerJson.ExpectType(node, "ByteLevel");
        node.ExpectOnly("type", "add_prefix_space", "trim_offsets", "use_regex");
        bool useRegex = !node.TryGet("use_regex", out JsonNode value) || value.AsBoolean();
        return (useRegex ? new Gpt2Scanner() : new WholeTextScanner(), node.Required("add_prefix_space").AsBoolean());
    }

    private static WordScanner ReadSplit(JsonNode node, string file, TokenizerOptions options)
    {
        TokenizerJson.ExpectType(node, "Split");
        node.ExpectOnly("type", "pattern", "behavior", "invert");
        JsonNode pattern = node.Required("pattern");
        pattern.ExpectOnly("Regex", "String");
        string regex = pattern.TryGet("Regex", out JsonNode expression)
            ? expression.AsString()
            : Regex.Escape(pattern.Required("String").AsString());

        // Inverted removal keeps the matches and drops what lies between them; isolation keeps both.
        JsonNode behavior = node.Required("behavior");
        bool inverted = node.Required("invert").AsBoolean();
        bool keepsGaps = (behavior.AsString(), inverted) switch
        {
            ("Isolated", _) => true,
            ("Removed", true) => false,
            _ => throw behavior.Error($"expected Isolated, or Removed with invert true, found {behavior.Excerpt()} with invert {inverted}"),
        };

        // These patterns match every character, so there are no gaps.
        return regex switch
        {
            Cl100kScanner.Pattern => new Cl100kScanner(),
            Gpt2Scanner.Pattern => new Gpt2Scanner(),
            _ => Unknown(pattern, file, regex, keepsGaps, options),
        };
    }

    private static RegexScanner Unknown(JsonNode node, string file, string pattern, bool keepsGaps, TokenizerOptions options)
    {
        if (!options.AllowUnknownPattern)
        {
            throw node.Error(
                $"the pattern {JsonNode.Quote(pattern)} is not known; the option {nameof(options.AllowUnknownPattern)} runs it as a Regex");
        }

        if (pattern.Length > TokenizerLimits.MaxPatternUnits)
        {
            throw node.Error($"the pattern has {pattern.Length} characters, expected at most {TokenizerLimits.MaxPatternUnits}");
        }

        try
        {
            return new RegexScanner(file, pattern, keepsGaps, options.PatternTimeout);
        }
        catch (ArgumentException e)
        {
            throw node.Error($"the pattern {JsonNode.Quote(pattern)} is not one .NET can run", e);
        }
    }
}
