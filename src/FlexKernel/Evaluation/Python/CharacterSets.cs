using System.Globalization;
using System.Text;

namespace FlexKernel.Evaluation.Python;

/// <summary>Writes sets of code points as .NET expressions over UTF-16 units.</summary>
/// <param name="hasPairs">Whether texts hold surrogate pairs; otherwise what lies above U+FFFF is left out.</param>
internal sealed class CharacterSets(bool hasPairs)
{
    private const string Pair = "[\\uD800-\\uDBFF][\\uDC00-\\uDFFF]";
    private const string Never = "(?!)";
    private static readonly Lazy<string> WordPairs = new(() => PairsWhere(IsWord));
    private static readonly Lazy<string> DigitPairs = new(() => PairsWhere(IsDigit));

    /// <summary>Any code point.</summary>
    public string Any => hasPairs ? $"(?>{Pair}|[\\s\\S])" : "[\\s\\S]";

    /// <summary>Any code point but a line feed.</summary>
    public string AnyButLineFeed => hasPairs ? $"(?>{Pair}|[^\\n])" : "[^\\n]";

    /// <summary>One code point.</summary>
    public string Literal(int c) => c > char.MaxValue ? $"(?:{Range(c, c)})" : Unit(c);

    /// <summary>The code points between two, both included.</summary>
    public string Range(int first, int last)
    {
        StringBuilder output = new();
        if (first <= char.MaxValue)
        {
            // Halves of a pair are no code points of their own.
            string halves = hasPairs ? "-[\\uD800-\\uDFFF]" : "";
            output.Append(CultureInfo.InvariantCulture, $"[{Unit(first)}-{Unit(Math.Min(last, char.MaxValue))}{halves}]");
        }

        if (last > char.MaxValue && hasPairs)
        {
            AppendPairs(output, Math.Max(first, char.MaxValue + 1), last);
        }

        return output.Length == 0 ? Never : output.ToString();
    }

    /// <summary>A class of the alternatives, or of everything else.</summary>
    public string Class(IReadOnlyList<string> alternatives, bool isNegated)
    {
        string any = string.Join('|', alternatives);
        return isNegated ? $"(?:(?!{any}){Any})" : $"(?:{any})";
    }

    /// <summary><c>\d \w \s</c> and their opposites.</summary>
    public string Shorthand(char name, bool isAscii)
    {
        string set = char.ToLowerInvariant(name) switch
        {
            'd' => isAscii ? "[0-9]" : $"\\p{{Nd}}{OrPairs(DigitPairs)}",
            'w' => isAscii ? "[A-Za-z0-9_]" : $"[\\p{{L}}\\p{{N}}_]{OrPairs(WordPairs)}",
            _ => isAscii ? "[ \\t\\n\\r\\f\\v]" : "[\\s\\x1c-\\x1f]",
        };
        return char.IsLower(name) ? set : $"(?:(?!{set}){Any})";
    }

    /// <summary><c>\b</c>.</summary>
    public string WordBoundary(bool isAscii)
    {
        string word = $"(?:{Shorthand('w', isAscii)})";
        return $"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))";
    }

    /// <summary><c>\B</c>, which Python denies the empty text.</summary>
    public string NoWordBoundary(bool isAscii)
    {
        string word = $"(?:{Shorthand('w', isAscii)})";
        return $"(?:(?<={word})(?={word})|(?<!{word})(?!{word})(?!\\A\\z))";
    }

    private string OrPairs(Lazy<string> pairs) => hasPairs ? pairs.Value : "";

    private static bool IsDigit(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;

    private static bool IsWord(Rune rune) => Rune.IsLetter(rune) || Rune.IsNumber(rune);

    // .NET knows no categories of pairs: they are listed.
    private static string PairsWhere(Func<Rune, bool> isMember)
    {
        StringBuilder output = new("|");
        int first = -1;
        for (int c = 0x10000; c <= 0x110000; c++)
        {
            bool isInside = c <= 0x10FFFF && isMember(new Rune(c));
            if (isInside && first < 0)
            {
                first = c;
            }
            else if (!isInside && first >= 0)
            {
                AppendPairs(output, first, c - 1);
                first = -1;
            }
        }

        return output.ToString();
    }

    private static void AppendPairs(StringBuilder output, int first, int last)
    {
        while (first <= last)
        {
            // As many whole rows of 1,024 as there are, else what lies in the row of the first.
            int row = first & ~0x3FF, rowEnd = row + 0x3FF;
            int end = first == row && last >= rowEnd ? ((last + 1) & ~0x3FF) - 1 : Math.Min(last, rowEnd);
            string high = end > rowEnd ? $"[{Unit(High(first))}-{Unit(High(end))}]" : Unit(High(first));
            output.Append(output.Length > 1 ? "|" : "").Append(high).Append($"[{Unit(Low(first))}-{Unit(Low(end))}]");
            first = end + 1;
        }
    }

    private static int High(int c) => 0xD800 + ((c - 0x10000) >> 10);

    private static int Low(int c) => 0xDC00 + (c & 0x3FF);

    private static string Unit(int c) => string.Create(CultureInfo.InvariantCulture, $"\\u{c:X4}");
}
