namespace FlexKernel.Chat.Jinja;

/// <summary>Finds texts in texts in linear time, whatever they hold.</summary>
internal static class TextSearch
{
    // Up to this length the runtime's search, which may look at each unit as often as the needle is long, is the fastest.
    private const int ShortNeedle = 32;

    /// <summary>The first place at or after a unit, or -1.</summary>
    public static int IndexOf(string text, string needle, int start, Meter meter)
    {
        if (needle.Length > text.Length - start)
        {
            return -1;
        }

        if (needle.Length <= ShortNeedle)
        {
            int found = text.AsSpan(start).IndexOf(needle, StringComparison.Ordinal);
            meter.Charge(found < 0 ? text.Length - start : found + 1);
            return found < 0 ? -1 : start + found;
        }

        meter.Charge(text.Length - start + needle.Length);
        int[] borders = Borders(needle);
        for (int i = start, matched = 0; i < text.Length; i++)
        {
            while (matched > 0 && text[i] != needle[matched])
            {
                matched = borders[matched - 1];
            }

            matched += text[i] == needle[matched] ? 1 : 0;
            if (matched == needle.Length)
            {
                return i - needle.Length + 1;
            }
        }

        return -1;
    }

    /// <summary>The last place at which a text stands before a unit, or -1.</summary>
    public static int LastIndexOf(string text, string needle, int end, Meter meter)
    {
        int last = -1;
        if (needle.Length <= ShortNeedle)
        {
            last = text.AsSpan(0, end).LastIndexOf(needle, StringComparison.Ordinal);
            meter.Charge(last < 0 ? end : end - last);
            return last;
        }

        for (int at = IndexOf(text, needle, 0, meter); at >= 0 && at + needle.Length <= end; at = IndexOf(text, needle, at + 1, meter))
        {
            last = at;
        }

        return last;
    }

    // For each prefix, the length of the longest shorter prefix that ends it.
    private static int[] Borders(string needle)
    {
        int[] borders = new int[needle.Length];
        for (int i = 1, matched = 0; i < needle.Length; i++)
        {
            while (matched > 0 && needle[i] != needle[matched])
            {
                matched = borders[matched - 1];
            }

            matched += needle[i] == needle[matched] ? 1 : 0;
            borders[i] = matched;
        }

        return borders;
    }
}
