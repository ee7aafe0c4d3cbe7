using FlexKernel.Chat.Jinja;

namespace FlexKernel.Chat;

/// <summary>The last message, which the text must end with: a tag after its content shows where that is.</summary>
internal sealed class FinalMessage
{
    private const string Tag = "CONTINUE_FINAL_MESSAGE_TAG ";

    private readonly string _content;

    private FinalMessage(string content) => _content = content;

    /// <summary>Puts the tag after the content of the last message, or after its last part with text.</summary>
    public static FinalMessage Mark(List<DictBuilder> messages, string source, Machine machine)
    {
        DictBuilder message = messages.LastOrDefault() ?? throw Fail("there is no message to continue");
        if (!source.Contains("content", StringComparison.Ordinal))
        {
            throw Fail("the template does not print the content of messages");
        }

        switch (message.Find("content"))
        {
            case TextValue content:
                message.Set("content", Tagged(content, machine));
                return new FinalMessage(content.Text);
            case ListValue parts:
                int place = parts.Items.ToList().FindLastIndex(part => Text(part) is not null);
                TextValue text = place >= 0 ? Text(parts.Items[place])! : throw Fail("the last message has no text to continue");
                Value[] tagged = [.. parts.Items];
                var part = (DictValue)tagged[place];
                tagged[place] = machine.Dict(part.Entries.Append(KeyValuePair.Create<Value, Value>(TextValue.Of("text"), Tagged(text, machine))));
                message.Set("content", new ListValue(tagged));
                return new FinalMessage(text.Text);
            default:
                throw Fail("the last message has no content to continue");
        }
    }

    /// <summary>The text up to the tag.</summary>
    public TextValue Cut(TextValue text, Meter meter)
    {
        string tag = Tag.TrimEnd();
        int place = TextSearch.LastIndexOf(text.Text, tag, text.Text.Length, meter);
        string content = StringMethods.Strip(TextValue.Of(_content), null, left: true, right: true, meter).Text;
        if (place < 0 || TextSearch.IndexOf(text.Text, content, 0, meter) < 0)
        {
            throw Fail("the content of the last message does not appear in the text");
        }

        // Without the space behind it, the template has trimmed the content, which the tag must not hide.
        TextValue cut = text.Slice(0, place, meter);
        bool isTrimmed = !text.Text.AsSpan(place).StartsWith(Tag, StringComparison.Ordinal);
        return isTrimmed ? StringMethods.Strip(cut, null, left: false, right: true, meter) : cut;
    }

    private static TextValue? Text(Value part) => part is DictValue dict && dict.TryGet(TextValue.Of("text"), out Value? text) ? text as TextValue : null;

    private static TextValue Tagged(TextValue content, Machine machine) =>
        new TextBuilder(machine.Meter).Append(content).Append(Tag, Origin.Data).ToText();

    private static JinjaException Fail(string message) => new(ChatTemplateError.Input, $"the final message cannot be continued: {message}");
}
