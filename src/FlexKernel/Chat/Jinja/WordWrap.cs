using System.Text.RegularExpressions;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>textwrap.wrap</c>, as the filter <c>wordwrap</c> uses it: tabs and white space within a line stay.</summary>
internal static partial class WordWrap
{
    /// <summary>Breaks one line into lines of a width.</summary>
    /// <param name="line">The line.</param>
    /// <param name="width">The most code points of a line; at least 1.</param>
    /// <param name="breaksLong">True breaks words that are longer.</param>
    /// <param name="breaksHyphens">True breaks words after hyphens.</param>
    /// <param name="meter">Pays for it.</param>
    public static IEnumerable<TextValue> Wrap(TextValue line, int width, bool breaksLong, bool breaksHyphens, Meter meter)
    {
        if (width <= 0)
        {
            throw JinjaException.Runtime($"invalid width {width} (must be > 0)");
        }

        // The pattern looks at each unit a few times.
        meter.Charge(8L * line.Text.Length);
        List<TextValue> chunks = [.. Chunks(line.Text, breaksHyphens).Select(chunk => line.Slice(chunk.Start, chunk.End, meter))];
        chunks.Reverse();
        bool isFirst = true;
        while (chunks.Count > 0)
        {
            List<TextValue> current = [];
            int length = 0;
            if (!isFirst && IsBlank(chunks[^1]))
            {
                chunks.RemoveAt(chunks.Count - 1);
            }

            while (chunks.Count > 0 && length + chunks[^1].Length <= width)
            {
                length += chunks[^1].Length!.Value;
                Move(chunks, current);
            }

            if (chunks.Count > 0 && chunks[^1].Length > width)
            {
                BreakLong(chunks, current, width - length, breaksLong, breaksHyphens, meter);
            }

            if (current.Count > 0 && IsBlank(current[^1]))
            {
                current.RemoveAt(current.Count - 1);
            }

            if (current.Count > 0)
            {
                isFirst = false;
                yield return StringMethods.Join(TextValue.Empty, current, meter);
            }
        }
    }

    private static IEnumerable<(int Start, int End)> Chunks(string line, bool breaksHyphens)
    {
        int done = 0;
        foreach ((int start, int end) in Matches(line, breaksHyphens))
        {
            if (start > done)
            {
                yield return (done, start);
            }

            done = end;
            yield return (start, end);
        }

        if (done < line.Length)
        {
            yield return (done, line.Length);
        }
    }

    private static List<(int Start, int End)> Matches(string line, bool breaksHyphens)
    {
        List<(int, int)> matches = [];
        foreach (ValueMatch match in (breaksHyphens ? Words() : Spaces()).EnumerateMatches(line))
        {
            matches.Add((match.Index, match.Index + match.Length));
        }

        return matches;
    }

    private static bool IsBlank(TextValue chunk) => chunk.Text.All(PythonCharacters.IsSpace);

    private static void Move(List<TextValue> chunks, List<TextValue> current)
    {
        current.Add(chunks[^1]);
        chunks.RemoveAt(chunks.Count - 1);
    }

    private static void BreakLong(List<TextValue> chunks, List<TextValue> current, int space, bool breaksLong, bool breaksHyphens, Meter meter)
    {
        if (!breaksLong)
        {
            if (current.Count == 0)
            {
                Move(chunks, current);
            }

            return;
        }

        TextValue chunk = chunks[^1];
        int end = chunk.UnitAt(Math.Min(space, chunk.Length!.Value));
        int hyphen = breaksHyphens ? chunk.Text.AsSpan(0, end).LastIndexOf('-') : -1;
        if (hyphen > 0 && chunk.Text.AsSpan(0, hyphen).ContainsAnyExcept('-'))
        {
            end = hyphen + 1;
        }

        current.Add(chunk.Slice(0, end, meter));
        chunks[^1] = chunk.Slice(end, chunk.Text.Length, meter);
    }

    // White space, a dash between words, or a word up to a hyphen between letters, a space or a dash.
    [GeneratedRegex(
        """[\t-\r ]+|(?<=[\w!"'&.,?])-{2,}(?=\w)|[^\t-\r ]+?(?:-(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[\w!"'&.,?]-))(?=[^\d\W]-?[^\d\W])|(?=[\t-\r ]|\z)|(?<=[\w!"'&.,?])(?=-{2,}\w))""",
        RegexOptions.CultureInvariant)]
    private static partial Regex Words();

    [GeneratedRegex(@"[\t-\r ]+", RegexOptions.CultureInvariant)]
    private static partial Regex Spaces();
}
