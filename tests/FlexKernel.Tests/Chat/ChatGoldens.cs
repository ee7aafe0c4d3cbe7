using System.Text.Json.Nodes;
using FlexKernel.Chat;

namespace FlexKernel.Tests.Chat;

/// <summary>Reads the reference cases and renders as they were rendered.</summary>
internal static class ChatGoldens
{
    public static readonly Dictionary<string, string> SpecialTokens = new()
    {
        ["bos_token"] = "<|endoftext|>",
        ["eos_token"] = "<|endoftext|>",
        ["unk_token"] = "<|endoftext|>",
        ["pad_token"] = "<|pad|>",
    };

    public static IEnumerable<JsonNode> Lines(string file) => File.ReadLines(TestData.Fixture($"chat/{file}")).Select(line => JsonNode.Parse(line)!);

    public static ChatTemplateInput Input(JsonObject? item = null) => new()
    {
        Messages = item?["messages"]?.AsArray() ?? Messages(("user", "x")),
        Tools = item?["tools"]?.AsArray(),
        Documents = item?["documents"]?.AsArray(),
        AddGenerationPrompt = item?["add_generation_prompt"]?.GetValue<bool>() ?? false,
        ContinueFinalMessage = item?["continue_final_message"]?.GetValue<bool>() ?? false,
        Variables = item?["variables"]?.AsObject(),
        SpecialTokens = SpecialTokens,
        Clock = new FixedClock(),
    };

    public static JsonArray Messages(params (string Role, string Content)[] messages) =>
        [.. messages.Select(message => new JsonObject { ["role"] = message.Role, ["content"] = message.Content })];

    /// <summary>The text of a template with given variables.</summary>
    public static string Render(string template, JsonObject? variables = null) =>
        ChatTemplate.Parse(template).Render(Input() with { Variables = variables }).Text;

    /// <summary>A clock that stands still.</summary>
    internal sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 5, 14, 7, 9, TimeSpan.Zero);
    }
}
