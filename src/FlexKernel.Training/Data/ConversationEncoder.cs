using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>Conversations as content of a corpus: the ids of all that the template renders, those that the assistant wrote marked.</summary>
internal sealed class ConversationEncoder(
    IReadOnlyList<string> files, CorpusTokenizer tokenizer, ChatTemplate template, DateTimeOffset date, CancellationToken cancellationToken) : ICorpusContent
{
    private const string Assistant = "assistant";
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly IReadOnlyDictionary<string, string> _specialTokens = ChatTemplateInput.SpecialTokensOf(tokenizer.Tokenizer);
    private readonly FixedClock _clock = new(date);

    public IReadOnlyList<string> Files => files;

    public CorpusTokenizer Tokenizer => tokenizer;

    // Special tokens may have been named by a file beside the tokenizer's.
    public string Rules => string.Create(
        CultureInfo.InvariantCulture,
        $"conversations template={Digest([template.Source])} date={date:O} special={Digest(_specialTokens.OrderBy(t => t.Key, StringComparer.Ordinal).SelectMany(t => new[] { t.Key, t.Value }))}");

    public Func<ReadOnlyMemory<byte>, string> Parser(string file) => line => SourceReader.IsBlank(line) ? "" : SourceReader.Decode(line);

    /// <summary>Encodes a line of a file.</summary>
    /// <exception cref="FormatException">The line is no conversation with an answer, or the template cannot render it or tell answers apart.</exception>
    /// <exception cref="JsonException">The line is not acceptable JSON.</exception>
    public (int[] Ids, ulong Hash) Encode(string text)
    {
        JsonObject root = JsonNode.Parse(text, documentOptions: Strict) as JsonObject ?? throw new FormatException("expected a JSON object");
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
                whole, answers, (count, begins) => Render([.. messages.Take(count).Select(message => message!.DeepClone())], tools, begins), tokenizer.Tokenizer);
            int[] ids = whole.Encode(tokenizer.Tokenizer, spans, out bool[] isAnswer);
            return (AnswerIds.Mark(ids, isAnswer), ValidationSplit.Hash(Encoding.UTF8.GetBytes(messages.ToJsonString())));
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

    private static string Digest(IEnumerable<string> texts) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', texts))));

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}
