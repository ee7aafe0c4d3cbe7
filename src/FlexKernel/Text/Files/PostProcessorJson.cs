namespace FlexKernel.Text.Files;

/// <summary>Reads the <c>post_processor</c> of a <c>tokenizer.json</c>: what a template puts around a sequence.</summary>
internal static class PostProcessorJson
{
    private const int MaxSteps = 16;

    /// <summary>Reads it.</summary>
    /// <param name="root">The file.</param>
    /// <param name="vocabularySize">The number of ids.</param>
    /// <exception cref="TokenizerException">It is malformed or not supported.</exception>
    public static (int[] Prefix, int[] Suffix) Read(JsonNode root, int vocabularySize)
    {
        if (!root.TryGet("post_processor", out JsonNode node) || node.IsNull)
        {
            return ([], []);
        }

        JsonNode[] steps = [node];
        if (node.Required("type").AsString() == "Sequence")
        {
            node.ExpectOnly("type", "processors");
            steps = [.. node.Required("processors").Items().Take(MaxSteps + 1)];
        }

        (int[] Prefix, int[] Suffix)? template = null;
        foreach (JsonNode step in steps)
        {
            JsonNode type = step.Required("type");
            switch (type.AsString())
            {
                // Moves offsets, never ids.
                case "ByteLevel":
                    break;

                case "TemplateProcessing" when template is null:
                    template = ReadTemplate(step, vocabularySize);
                    break;

                default:
                    throw type.Error($"expected ByteLevel, or one TemplateProcessing, found {type.Excerpt()}");
            }
        }

        return template ?? ([], []);
    }

    private static (int[] Prefix, int[] Suffix) ReadTemplate(JsonNode node, int vocabularySize)
    {
        node.ExpectOnly("type", "single", "pair", "special_tokens");
        JsonNode single = node.Required("single");
        List<int> prefix = [];
        List<int>? suffix = null;
        foreach (JsonNode part in single.Items())
        {
            part.ExpectOnly("SpecialToken", "Sequence");
            if (part.TryGet("SpecialToken", out JsonNode special))
            {
                (suffix ?? prefix).AddRange(ReadIds(node, special.Required("id").AsString(), vocabularySize));
                continue;
            }

            JsonNode sequence = part.Required("Sequence").Required("id");
            if (sequence.AsString() != "A" || suffix is not null)
            {
                throw sequence.Error("expected the sequence A, once");
            }

            suffix = [];
        }

        return suffix is null ? throw single.Error("the sequence A is missing") : ([.. prefix], [.. suffix]);
    }

    private static IEnumerable<int> ReadIds(JsonNode template, string name, int vocabularySize) =>
        template.Required("special_tokens").Required(name).Required("ids").Items().Select(id => id.AsInt32(vocabularySize - 1));
}
