using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's string methods that take texts apart and put them together; every part keeps its origin.</summary>
internal static class StringMethods
{
    /// <summary><c>strip</c> and its halves.</summary>
    /// <param name="text">The text.</param>
    /// <param name="characters">The set to remove; null for white space.</param>
    /// <param name="left">Whether to strip the start.</param>
    /// <param name="right">Whether to strip the end.</param>
    /// <param name="meter">Pays for it.</param>
    public static TextValue Strip(TextValue text, TextValue? characters, bool left, bool right, Meter meter)
    {
        HashSet<Rune>? set = characters is null ? null : [.. characters.Text.EnumerateRunes()];
        string units = text.Text;
        int start = 0, end = units.Length;
        while (left && start < end && Rune.DecodeFromUtf16(units.AsSpan(start, end - start), out Rune first, out int taken) >= 0
            && IsStripped(first, set))
        {
            start += taken;
        }

        while (right && start < end && Rune.DecodeLastFromUtf16(units.AsSpan(start, end - start), out Rune last, out int taken) >= 0
            && IsStripped(last, set))
        {
            end -= taken;
        }

        meter.Charge(units.Length - (end - start));
        return text.Slice(start, end, meter);
    }

    /// <summary><c>split</c> at a separator.</summary>
    /// <param name="text">The text.</param>
    /// <param name="separator">The separator; not empty.</param>
    /// <param name="most">The most splits; negative for all.</param>
    /// <param name="meter">Pays for it.</param>
    public static List<Value> Split(TextValue text, TextValue separator, int most, Meter meter)
    {
        CheckSeparator(separator);
        List<Value> parts = [];
        int start = 0;
        for (int at = 0; most < 0 || parts.Count < most; start = at + separator.Text.Length)
        {
            at = TextSearch.IndexOf(text.Text, separator.Text, start, meter);
            if (at < 0)
            {
                break;
            }

            meter.ChargeElements(1);
            parts.Add(text.Slice(start, at, meter));
        }

        parts.Add(text.Slice(start, text.Text.Length, meter));
        return parts;
    }

    /// <summary><c>rsplit</c> at a separator.</summary>
    /// <inheritdoc cref="Split"/>
    public static List<Value> SplitFromEnd(TextValue text, TextValue separator, int most, Meter meter)
    {
        CheckSeparator(separator);
        List<Value> parts = [];
        int end = text.Text.Length;
        while (most < 0 || parts.Count < most)
        {
            int at = TextSearch.LastIndexOf(text.Text, separator.Text, end, meter);
            if (at < 0)
            {
                break;
            }

            meter.ChargeElements(1);
            parts.Add(text.Slice(at + separator.Text.Length, end, meter));
            end = at;
        }

        parts.Add(text.Slice(0, end, meter));
        parts.Reverse();
        return parts;
    }

    /// <summary><c>split</c> at white space.</summary>
    public static List<Value> SplitWords(TextValue text, int most, Meter meter)
    {
        List<Value> words = [];
        string units = text.Text;
        meter.Charge(units.Length);
        for (int i = 0; i < units.Length;)
        {
            if (PythonCharacters.IsSpace(units[i]))
            {
                i++;
                continue;
            }

            int start = i;
            bool isRest = most >= 0 && words.Count >= most;
            while (i < units.Length && (isRest || !PythonCharacters.IsSpace(units[i])))
            {
                i++;
            }

            meter.ChargeElements(1);
            words.Add(text.Slice(start, i, meter));
        }

        return words;
    }

    /// <summary><c>rsplit</c> at white space.</summary>
    public static List<Value> SplitWordsFromEnd(TextValue text, int most, Meter meter)
    {
        List<Value> words = [];
        string units = text.Text;
        meter.Charge(units.Length);
        for (int i = units.Length; i > 0;)
        {
            if (PythonCharacters.IsSpace(units[i - 1]))
            {
                i--;
                continue;
            }

            int end = i;
            bool isRest = most >= 0 && words.Count >= most;
            while (i > 0 && (isRest || !PythonCharacters.IsSpace(units[i - 1])))
            {
                i--;
            }

            meter.ChargeElements(1);
            words.Add(text.Slice(i, end, meter));
        }

        words.Reverse();
        return words;
    }

    /// <summary><c>splitlines</c>.</summary>
    public static List<TextValue> SplitLines(TextValue text, bool keepsEnds, Meter meter)
    {
        List<TextValue> lines = [];
        string units = text.Text;
        for (int start = 0; start < units.Length;)
        {
            int end = start;
            while (end < units.Length && !PythonCharacters.IsLineBreak(units[end]))
            {
                end++;
            }

            int next = end + (end + 1 < units.Length && units[end] == '\r' && units[end + 1] == '\n' ? 2 : 1);
            next = Math.Min(next, units.Length);
            meter.ChargeElements(1);
            lines.Add(text.Slice(start, keepsEnds ? next : end, meter));
            start = next;
        }

        return lines;
    }

    /// <summary><c>join</c>.</summary>
    public static TextValue Join(TextValue separator, IEnumerable<Value> parts, Meter meter)
    {
        TextBuilder joined = new(meter);
        bool isFirst = true;
        foreach (Value part in parts)
        {
            TextValue text = Arguments.Text(part, "join()");
            joined.Append(isFirst ? TextValue.Empty : separator).Append(separator.IsMarkup ? Markup.Escape(text, meter) : text);
            isFirst = false;
        }

        return joined.ToText().AsMarkup(separator.IsMarkup);
    }

    /// <summary><c>replace</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="old">What to replace; an empty text stands between all code points.</param>
    /// <param name="by">What to put there.</param>
    /// <param name="most">The most replacements; negative for all.</param>
    /// <param name="meter">Pays for it.</param>
    public static TextValue Replace(TextValue text, TextValue old, TextValue by, int most, Meter meter)
    {
        by = text.IsMarkup ? Markup.Escape(by, meter) : by;
        TextBuilder replaced = new(meter);
        int done = 0;
        int next = 0;
        for (int count = 0; most < 0 || count < most; count++)
        {
            int at = old.IsTrue ? TextSearch.IndexOf(text.Text, old.Text, next, meter) : next <= text.Text.Length ? next : -1;
            if (at < 0)
            {
                break;
            }

            replaced.Append(text, done, at).Append(by);
            done = at + old.Text.Length;
            next = old.IsTrue ? done : at + 1 + (at + 1 < text.Text.Length && char.IsSurrogatePair(text.Text, at) ? 1 : 0);
        }

        return replaced.Append(text, done, text.Text.Length).ToText().AsMarkup(text.IsMarkup);
    }

    /// <summary>Fills a text up on both sides.</summary>
    /// <param name="text">The text.</param>
    /// <param name="left">How often to put the filling before it.</param>
    /// <param name="right">How often to put the filling after it.</param>
    /// <param name="filling">One code point.</param>
    /// <param name="meter">Pays for it.</param>
    public static TextValue Pad(TextValue text, int left, int right, TextValue filling, Meter meter) => filling.Length == 1
        ? new TextBuilder(meter).Repeat(filling, left).Append(text).Repeat(filling, right).ToText().AsMarkup(text.IsMarkup)
        : throw JinjaException.Runtime("the filling must be exactly one character");

    /// <summary><c>center</c>; an odd filling goes left where the width is odd.</summary>
    public static TextValue Center(TextValue text, int width, TextValue filling, Meter meter)
    {
        int length = text.Length!.Value;
        int margin = Math.Max(width - length, 0);
        int left = margin / 2 + (margin & width & 1);
        return Pad(text, left, margin - left, filling, meter);
    }

    /// <summary><c>expandtabs</c>.</summary>
    public static TextValue ExpandTabs(TextValue text, int size, Meter meter)
    {
        TextBuilder expanded = new(meter);
        int column = 0;
        for (int i = 0; i < text.Text.Length; i++)
        {
            char unit = text.Text[i];
            if (unit == '\t')
            {
                int width = size > 0 ? size - column % size : 0;
                expanded.Repeat(TextValue.Of(" ", text.OriginAt(i)), width);
                column += width;
                continue;
            }

            expanded.Append(text, i, i + 1);
            column = unit is '\n' or '\r' ? 0 : column + (char.IsLowSurrogate(unit) ? 0 : 1);
        }

        return expanded.ToText().AsMarkup(text.IsMarkup);
    }

    /// <summary>The number of places where a part stands, without overlap.</summary>
    public static int Count(string text, string part, Meter meter)
    {
        int count = 0;
        for (int at = TextSearch.IndexOf(text, part, 0, meter); at >= 0; at = TextSearch.IndexOf(text, part, at + part.Length, meter))
        {
            count++;
        }

        return count;
    }

    private static bool IsStripped(Rune rune, HashSet<Rune>? set) =>
        set?.Contains(rune) ?? (rune.IsBmp && PythonCharacters.IsSpace((char)rune.Value));

    private static void CheckSeparator(TextValue separator)
    {
        if (!separator.IsTrue)
        {
            throw JinjaException.Runtime("empty separator");
        }
    }
}
