using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Text;

namespace FlexKernel.Verification;

/// <summary>Chat templates with messages, and the text or the error that the reference gives (<c>cases.jsonl</c>).</summary>
internal sealed class ChatCase(string directory) : VerificationCase(directory)
{
    private const string CasesFile = "cases.jsonl";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    private static readonly Dictionary<string, string> SpecialTokens = new()
    {
        ["bos_token"] = "<|endoftext|>",
        ["eos_token"] = "<|endoftext|>",
        ["unk_token"] = "<|endoftext|>",
        ["pad_token"] = "<|pad|>",
    };

    public override string Kind => "chat";

    public static bool IsAt(string directory)
    {
        string path = Path.Combine(directory, CasesFile);
        try
        {
            return File.Exists(path) && Parse(File.ReadLines(path).FirstOrDefault("{}")).ContainsKey("template");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException)
        {
            return false;
        }
    }

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string? tokenizerFile = options.DataDirectory is null ? null : Path.Combine(options.DataDirectory, "tokenizer", "dolma2-first4096.tokenizer.json");
        ByteLevelBpeTokenizer? tokenizer = File.Exists(tokenizerFile) ? ByteLevelBpeTokenizer.Load(tokenizerFile) : null;
        if (tokenizer is null)
        {
            comparison.Skip("ids and masks: no tokenizer/dolma2-first4096.tokenizer.json");
        }

        foreach (string line in File.ReadLines(Path.Combine(Directory, CasesFile)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            JsonObject item = Parse(line);
            CompareOne($"{item["id"]} {item["name"]}", item, tokenizer, comparison, cancellationToken);
        }
    }

    private static JsonObject Parse(string line) => JsonNode.Parse(line, null, Strict)!.AsObject();

    private static void CompareOne(string what, JsonObject item, ByteLevelBpeTokenizer? tokenizer, Comparison comparison, CancellationToken cancellationToken)
    {
        var error = item["error"] as JsonObject;
        ChatPrompt prompt;
        try
        {
            prompt = ChatTemplate.Parse(item["template"]!.GetValue<string>()).Render(Input(item), cancellationToken);
        }
        catch (ChatTemplateException e)
        {
            if (error is null)
            {
                comparison.Fail($"{what}: {e.Message}");
            }
            else
            {
                CompareError(what, e, error, comparison);
            }

            return;
        }

        comparison.Equal($"{what} outcome", "a text", error is null ? "a text" : $"the error {error["message"]}");
        if (error is null)
        {
            comparison.Equal<char>($"{what} text", prompt.Text, item["expected"]!.GetValue<string>());
            CompareSpans(what, item, prompt, tokenizer, comparison);
        }
    }

    private static void CompareError(string what, ChatTemplateException e, JsonObject error, Comparison comparison)
    {
        bool isRaised = error["category"]!.GetValue<string>() == "raise_exception";
        comparison.Equal($"{what} is raised by the template", e.Error == ChatTemplateError.Raised, isRaised);
        if (error["match"]?.GetValue<string>() == "message")
        {
            comparison.Equal($"{what} message", e.Message, error["message"]!.GetValue<string>());
        }
    }

    private static void CompareSpans(string what, JsonObject item, ChatPrompt prompt, ByteLevelBpeTokenizer? tokenizer, Comparison comparison)
    {
        if (item["generation_spans"] is not JsonArray spans)
        {
            return;
        }

        comparison.Equal<int>(
            $"{what} spans",
            [.. prompt.GenerationSpans.SelectMany(span => new[] { CodePoints(prompt.Text, span.Start), CodePoints(prompt.Text, span.End) })],
            [.. spans.SelectMany(span => span!.AsArray().GetValues<int>())]);
        if (tokenizer is null || item["ids_first4096"] is not JsonArray ids)
        {
            return;
        }

        comparison.Equal<int>($"{what} ids", prompt.Encode(tokenizer, out bool[] mask), [.. ids.GetValues<int>()]);
        comparison.Equal<int>($"{what} mask", [.. mask.Select(isGenerated => isGenerated ? 1 : 0)], [.. item["assistant_mask"]!.AsArray().GetValues<int>()]);
    }

    private static int CodePoints(string text, int units) => text.AsSpan(0, units).Length - text.AsSpan(0, units).ToArray().Count(char.IsLowSurrogate);

    private static ChatTemplateInput Input(JsonObject item) => new()
    {
        Messages = item["messages"]!.AsArray(),
        Tools = item["tools"]?.AsArray(),
        Documents = item["documents"]?.AsArray(),
        AddGenerationPrompt = item["add_generation_prompt"]?.GetValue<bool>() ?? false,
        ContinueFinalMessage = item["continue_final_message"]?.GetValue<bool>() ?? false,
        Variables = item["variables"]?.AsObject(),
        SpecialTokens = SpecialTokens,
        Clock = new FixedClock(),
    };

    private sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 5, 14, 7, 9, TimeSpan.Zero);
    }
}
