using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>Makes sequences of conversations: the ids of all that the template renders, and as targets those that the assistant wrote.</summary>
internal sealed class ConversationEncoder(
    ByteLevelBpeTokenizer tokenizer, ChatTemplate template, ConversationOptions options, CancellationToken cancellationToken)
{
    private const string Assistant = "assistant";
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly HashSet<int> _added = [.. tokenizer.AddedTokens.Select(token => token.Id)];
    private readonly IReadOnlyDictionary<string, string> _specialTokens = ChatTemplateInput.SpecialTokensOf(tokenizer);
    private readonly FixedClock _clock = new(options.Date);

    /// <summary>Encodes a line of a file.</summary>
    /// <returns>Null for an empty line.</returns>
    /// <exception cref="FormatException">The line is no conversation with an answer, or the template cannot render it or tell answers apart.</exception>
    /// <exception cref="JsonException">The line is not acceptable JSON.</exception>
    public Conversation? Encode(ReadOnlyMemory<byte> line)
    {
        if (SourceReader.IsBlank(line))
        {
            return null;
        }

        JsonObject root = JsonNode.Parse(line.Span, documentOptions: Strict) as JsonObject ?? throw new FormatException("expected a JSON object");
        JsonArray messages = root["messages"] as JsonArray ?? throw new FormatException("\"messages\": expected a list, found none");
        JsonArray? tools = root["tools"] is { } given ? given as JsonArray ?? throw new FormatException("\"tools\": expected a list") : null;
        int[] answers = [.. Enumerable.Range(0, messages.Count).Where(i => RoleOf(messages[i], i) == Assistant)];
        if (answers.Length == 0)
        {
            throw new FormatException($"\"messages\": expected one of the {Assistant}, found none");
        }

        try
        {
            ChatPrompt whole = Render(messages, tools, addGenerationPrompt: false);
            IReadOnlyList<TextSpan> spans = AssistantSpans.Find(
                whole, answers, (count, begins) => Render([.. messages.Take(count).Select(message => message!.DeepClone())], tools, begins), tokenizer);
            int[] ids = whole.Encode(tokenizer, spans, out bool[] isAnswer);
            return Cut(ids, isAnswer, ValidationSplit.Hash(Encoding.UTF8.GetBytes(messages.ToJsonString())));
        }
        catch (ChatTemplateException e)
        {
            throw new FormatException(e.Message, e);
        }
    }

    private static string RoleOf(JsonNode? message, int index) =>
        message is JsonObject members && members["role"] is JsonValue role && role.GetValueKind() == JsonValueKind.String
            ? role.GetValue<string>()
            : throw new FormatException($"messages[{index}]: expected an object with the text \"role\"");

    private ChatPrompt Render(JsonArray messages, JsonArray? tools, bool addGenerationPrompt) => template.Render(
        new ChatTemplateInput
        {
            Messages = messages,
            Tools = tools,
            AddGenerationPrompt = addGenerationPrompt,
            SpecialTokens = _specialTokens,
            Clock = _clock,
        },
        cancellationToken);

    private Conversation Cut(int[] ids, bool[] isAnswer, ulong hash)
    {
        int rows = Math.Min(ids.Length - 1, options.Length);
        int[] targets = [.. Enumerable.Range(1, Math.Max(rows, 0)).Select(i => isAnswer[i] ? ids[i] : TrainingSequence.Ignored)];
        int[] counted = [.. targets.Where(target => target != TrainingSequence.Ignored)];
        long bytes = counted.Sum(id => _added.Contains(id) ? 0L : tokenizer.GetTokenBytes(id).Length);
        return new Conversation(
            counted.Length == 0 ? null : new TrainingSequence(ids[..rows], targets), bytes, hash, rows < ids.Length - 1, counted.Any(_added.Contains));
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}
