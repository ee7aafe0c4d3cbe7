using System.Text.Json.Nodes;
using FlexKernel.Text;

namespace FlexKernel.Chat;

/// <summary>What a chat template is rendered with. Text of all JSON values is text of users: control tokens in it do not count.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>
    /// Gets the messages: objects with <c>role</c>, <c>content</c> and whatever else the template reads; members that are null do not count.
    /// </summary>
    public required JsonArray Messages { get; init; }

    /// <summary>Gets the tools, in the form the template expects; null for none.</summary>
    public JsonArray? Tools { get; init; }

    /// <summary>Gets the documents, in the form the template expects; null for none.</summary>
    public JsonArray? Documents { get; init; }

    /// <summary>
    /// Gets a value indicating whether the text ends with the beginning of an answer; has no effect with <see cref="ContinueFinalMessage"/>.
    /// </summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>
    /// Gets a value indicating whether the text ends right after the content of the last message, which the model goes on with.
    /// </summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Gets more variables; they cannot replace messages, tools, documents or the generation prompt.</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>
    /// Gets the special tokens by the names templates know: <c>bos_token</c>, <c>eos_token</c>, and so on. They count as control tokens.
    /// </summary>
    public IReadOnlyDictionary<string, string>? SpecialTokens { get; init; }

    /// <summary>Gets the clock that tells templates the date, in its own time zone, and that <see cref="Deadline"/> is measured with.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>
    /// Gets a value indicating whether text of users that holds a role marker of the template is refused. Markers that are added tokens are
    /// harmless in such text anyhow; this is for templates whose markers are plain text, such as <see cref="ChatTemplate.Tulu"/>.
    /// </summary>
    public bool RejectRoleMarkers { get; init; }

    /// <summary>
    /// Gets the longest time a rendering may take; null for no bound but those on steps and sizes, which always hold and do not depend on the
    /// machine. Servers set about 250 ms.
    /// </summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>The <see cref="SpecialTokens"/> that a tokenizer's configuration names.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    public static IReadOnlyDictionary<string, string> SpecialTokensOf(ByteLevelBpeTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (string Name, int? Id)[] named =
            [("bos_token", tokenizer.BosId), ("eos_token", tokenizer.EosId), ("pad_token", tokenizer.PadId), ("unk_token", tokenizer.UnkId)];
        Dictionary<string, string> tokens = [];
        foreach ((string name, int? id) in named)
        {
            if (tokenizer.AddedTokens.FirstOrDefault(token => token.Id == id) is { } token)
            {
                tokens[name] = token.Content;
            }
        }

        return tokens;
    }
}
