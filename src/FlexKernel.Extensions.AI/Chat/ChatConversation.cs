using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Text;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Makes prompts of conversations, for one template and one tokenizer.</summary>
internal sealed class ChatConversation
{
    private const string Probe = "probe-of-the-end-of-a-turn";
    private readonly ChatTemplate _template;
    private readonly ByteLevelBpeTokenizer _tokenizer;
    private readonly TimeProvider _clock;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;

    public ChatConversation(ChatTemplate template, ByteLevelBpeTokenizer tokenizer, TimeProvider clock)
    {
        _template = template;
        _tokenizer = tokenizer;
        _clock = clock;
        _specialTokens = ChatTemplateInput.SpecialTokensOf(tokenizer);
        TurnEndId = FindTurnEnd();
    }

    /// <summary>The token that the template puts after an answer, where the model is to stop; null when it puts plain text there.</summary>
    public int? TurnEndId { get; }

    /// <summary>The template for a model that ships none: the one whose marks its tokenizer knows.</summary>
    public static ChatTemplate TemplateFor(ByteLevelBpeTokenizer tokenizer) =>
        tokenizer.TryGetAddedToken("<|im_start|>", out _) && tokenizer.TryGetAddedToken("<|im_end|>", out _)
            ? ChatTemplate.ImStart
            : ChatTemplate.Tulu;

    /// <summary>The prompt of a conversation, up to where the answer begins.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="instructions">A system message of this request that leads it, or null.</param>
    /// <param name="cancellationToken">Stops the template.</param>
    /// <exception cref="NotSupportedException">A message holds more than text.</exception>
    /// <exception cref="ArgumentException">There is no message, or one is null.</exception>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    public int[] Encode(IEnumerable<ChatMessage> messages, string? instructions, CancellationToken cancellationToken)
    {
        JsonArray turns = [];
        if (!string.IsNullOrEmpty(instructions))
        {
            turns.Add(Turn(ChatRole.System.Value, instructions));
        }

        int index = 0;
        foreach (ChatMessage? message in messages)
        {
            turns.Add(Turn(message ?? throw new ArgumentException($"messages[{index}] is null.", nameof(messages)), index));
            index++;
        }

        return turns.Count > 0
            ? Render(turns, addGenerationPrompt: true, cancellationToken).Encode(_tokenizer)
            : throw new ArgumentException("There is no message to answer.", nameof(messages));
    }

    private static JsonNode Turn(string role, string content) => new JsonObject { ["role"] = role, ["content"] = content };

    private static JsonNode Turn(ChatMessage message, int index)
    {
        // Usage is what an earlier answer took, nothing that was said.
        if (message.Contents.FirstOrDefault(content => content is not (TextContent or UsageContent)) is { } other)
        {
            throw new NotSupportedException(
                $"messages[{index}] holds {other.GetType().Name}, which is not supported: the model reads text.");
        }

        JsonNode turn = Turn(message.Role.Value, message.Text);
        if (message.AuthorName is { } name)
        {
            turn["name"] = name;
        }

        return turn;
    }

    private ChatPrompt Render(JsonArray turns, bool addGenerationPrompt, CancellationToken cancellationToken)
    {
        ChatTemplateInput input = new()
        {
            Messages = turns,
            AddGenerationPrompt = addGenerationPrompt,
            SpecialTokens = _specialTokens,
            Clock = _clock,
        };
        return _template.Render(input, cancellationToken);
    }

    // Templates do not say how a turn ends; an answer put through one shows it.
    private int? FindTurnEnd()
    {
        string text;
        try
        {
            text = Render([Turn("user", "?"), Turn("assistant", Probe)], addGenerationPrompt: false, CancellationToken.None).Text;
        }
        catch (ChatTemplateException)
        {
            return null;
        }

        int at = text.LastIndexOf(Probe, StringComparison.Ordinal);
        string after = at < 0 ? "" : text[(at + Probe.Length)..].TrimStart();
        return _tokenizer.AddedTokens
            .Where(token => after.StartsWith(token.Content, StringComparison.Ordinal))
            .MaxBy(token => token.Content.Length)?.Id;
    }
}
