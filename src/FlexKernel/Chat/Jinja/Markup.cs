namespace FlexKernel.Chat.Jinja;

/// <summary>HTML escaping, which a few filters bring into templates.</summary>
internal static class Markup
{
    private static readonly (string Entity, string Character)[] Entities =
    [
        ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", "\u00A0"),
    ];

    /// <summary>Escapes a text; markup stays as it is.</summary>
    public static TextValue Escape(TextValue text, Meter meter) => text.IsMarkup ? text : ForceEscape(text, meter);

    /// <summary>Escapes a text, markup too.</summary>
    public static TextValue ForceEscape(TextValue text, Meter meter)
    {
        TextBuilder escaped = new(meter);
        int done = 0;
        for (int i = 0; i < text.Text.Length; i++)
        {
            string? entity = text.Text[i] switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&#34;",
                '\'' => "&#39;",
                _ => null,
            };
            if (entity is not null)
            {
                escaped.Append(text, done, i).Append(entity, text.OriginAt(i));
                done = i + 1;
            }
        }

        return escaped.Append(text, done, text.Text.Length).ToText().AsMarkup(true);
    }

    /// <summary>Leaves comments and tags out, makes one space of white space, and takes the escaping of common characters back.</summary>
    public static TextValue StripTags(TextValue text, Meter meter)
    {
        TextValue plain = Remove(Remove(text.AsMarkup(false), "<!--", "-->", meter), "<", ">", meter);
        TextValue spaced = StringMethods.Join(TextValue.Of(" "), StringMethods.SplitWords(plain, -1, meter), meter);
        TextBuilder unescaped = new(meter);
        for (int i = 0; i < spaced.Text.Length;)
        {
            (string entity, string character) = Entities.FirstOrDefault(pair => spaced.Text.AsSpan(i).StartsWith(pair.Entity, StringComparison.Ordinal));
            _ = entity is null ? unescaped.Append(spaced, i, i + 1) : unescaped.Append(character, spaced.OriginAt(i));
            i += entity?.Length ?? 1;
        }

        return unescaped.ToText();
    }

    // Removing one may make another: what stands before an opening is looked at again, as in "<<b>".
    private static TextValue Remove(TextValue text, string open, string close, Meter meter)
    {
        for (int start = TextSearch.IndexOf(text.Text, open, 0, meter); start >= 0; start = TextSearch.IndexOf(text.Text, open, 0, meter))
        {
            int end = TextSearch.IndexOf(text.Text, close, start, meter);
            if (end < 0)
            {
                return text;
            }

            text = new TextBuilder(meter).Append(text, 0, start).Append(text, end + close.Length, text.Text.Length).ToText();
        }

        return text;
    }
}
