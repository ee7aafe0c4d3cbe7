using FlexKernel.Chat;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>Finds what the assistant wrote in a rendered conversation, up to and with the token that ends its turn.</summary>
/// <remarks>
/// Where the template marks it (<c>{% generation %}</c>), that counts. Else an answer lies between what is rendered of the messages before it,
/// with the beginning of an answer, and what is rendered with it: each must be the beginning of the whole text. After the end-of-turn token the
/// model is not asked for more, so white space that the template puts there does not count.
/// </remarks>
internal static class AssistantSpans
{
    /// <summary>Finds the spans.</summary>
    /// <param name="whole">The whole conversation, rendered.</param>
    /// <param name="answers">The numbers of the messages of the assistant, ascending.</param>
    /// <param name="render">Renders the first messages; the second argument asks for the beginning of an answer.</param>
    /// <param name="tokenizer">Knows the tokens that end turns.</param>
    /// <returns>The spans in UTF-16 units, in order and apart from each other.</returns>
    /// <exception cref="FormatException">The template renders messages differently when more follow.</exception>
    public static IReadOnlyList<TextSpan> Find(
        ChatPrompt whole, IReadOnlyList<int> answers, Func<int, bool, ChatPrompt> render, ByteLevelBpeTokenizer tokenizer)
    {
        if (whole.GenerationSpans.Count > 0)
        {
            return whole.GenerationSpans;
        }

        List<TextSpan> spans = [];
        foreach (int answer in answers)
        {
            string before = render(answer, true).Text;
            ChatPrompt with = render(answer + 1, false);
            if (!with.Text.StartsWith(before, StringComparison.Ordinal) || !whole.Text.StartsWith(with.Text, StringComparison.Ordinal))
            {
                throw new FormatException(
                    $"messages[{answer}]: expected a chat template that renders a message the same whatever follows, or marks answers with "
                    + "{% generation %}, found neither");
            }

            spans.Add(new TextSpan(before.Length, TurnEnd(with, tokenizer)));
        }

        return spans;
    }

    private static int TurnEnd(ChatPrompt text, ByteLevelBpeTokenizer tokenizer)
    {
        ReadOnlySpan<char> trimmed = text.Text.AsSpan().TrimEnd();
        foreach (AddedToken token in tokenizer.AddedTokens)
        {
            if (trimmed.EndsWith(token.Content, StringComparison.Ordinal) && text.IsOfTemplate(trimmed.Length - 1))
            {
                return trimmed.Length;
            }
        }

        return text.Text.Length;
    }
}
