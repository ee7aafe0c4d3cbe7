using System.Globalization;
using System.Text;

namespace FlexKernel.Evaluation.Python;

/// <summary>String operations as Python defines them, which published scores rest on; .NET's differ in a few characters.</summary>
internal static class PythonText
{
    // A capital sigma at the end of a word has a small form of its own.
    private const int CapitalSigma = 0x3A3;
    private const int SmallSigma = 0x3C3;
    private const int FinalSigma = 0x3C2;
    private const int CapitalIWithDot = 0x130;

    // The punctuation that may stand inside a word: Word_Break values MidLetter, MidNumLet and Single_Quote.
    private const string InsideWords = "'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";

    /// <summary>Whether <c>str.isspace</c> holds; unlike .NET it counts the four information separators.</summary>
    public static bool IsWhiteSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary>Whether a character is one of the 32 of <c>string.punctuation</c>; unlike .NET's it holds <c>$+&lt;=&gt;^`|~</c>.</summary>
    public static bool IsAsciiPunctuation(char c) => c is > ' ' and < '\u007F' && !char.IsAsciiLetterOrDigit(c);

    /// <summary><c>str.strip()</c>.</summary>
    public static string Strip(string text)
    {
        string stripped = StripEnd(text);
        int begin = 0;
        while (begin < stripped.Length && IsWhiteSpace(stripped[begin]))
        {
            begin++;
        }

        return stripped[begin..];
    }

    /// <summary><c>str.rstrip()</c>.</summary>
    public static string StripEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsWhiteSpace(text[end - 1]))
        {
            end--;
        }

        return text[..end];
    }

    /// <summary><c>str.split()</c>: the words between runs of white space.</summary>
    public static List<string> Words(string text)
    {
        List<string> words = [];
        int begin = -1;
        for (int i = 0; i <= text.Length; i++)
        {
            bool isInside = i < text.Length && !IsWhiteSpace(text[i]);
            if (isInside && begin < 0)
            {
                begin = i;
            }
            else if (!isInside && begin >= 0)
            {
                words.Add(text[begin..i]);
                begin = -1;
            }
        }

        return words;
    }

    /// <summary>The number of pieces of <c>re.split(r"\s+", text)</c>: one more than there are runs of white space.</summary>
    public static int CountPieces(ReadOnlySpan<char> text)
    {
        int pieces = 1;
        for (int i = 0; i < text.Length; i++)
        {
            pieces += IsWhiteSpace(text[i]) && (i == 0 || !IsWhiteSpace(text[i - 1])) ? 1 : 0;
        }

        return pieces;
    }

    /// <summary>The number of code points, as <c>len</c> counts.</summary>
    public static int CodePoints(string text)
    {
        int count = 0;
        foreach (Rune _ in text.EnumerateRunes())
        {
            count++;
        }

        return count;
    }

    /// <summary><c>str.lower()</c>: the full lower case of Unicode, with the two forms of small sigma.</summary>
    public static string Lower(string text)
    {
        StringBuilder lower = new(text.Length);
        for (int i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1)
        {
            if (!Rune.TryGetRuneAt(text, i, out Rune rune))
            {
                lower.Append(text[i]);
                continue;
            }

            switch (rune.Value)
            {
                case CapitalSigma:
                    lower.Append((char)(EndsWord(text, i) ? FinalSigma : SmallSigma));
                    break;
                case CapitalIWithDot:
                    lower.Append("i\u0307");
                    break;
                default:
                    lower.Append(Rune.ToLowerInvariant(rune));
                    break;
            }
        }

        return lower.ToString();
    }

    /// <summary>Deletes some characters.</summary>
    public static string Without(string text, Func<char, bool> isDeleted) => string.Concat(text.Where(c => !isDeleted(c)));

    /// <summary>Deletes the characters of a Unicode category P.</summary>
    public static string WithoutPunctuation(string text)
    {
        StringBuilder kept = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!Rune.IsPunctuation(rune))
            {
                kept.Append(rune);
            }
        }

        return kept.ToString();
    }

    // A cased letter stands before it and none after it, whatever may stand inside words left aside.
    private static bool EndsWord(string text, int at)
    {
        int i = at;
        while (i > 0)
        {
            Rune.DecodeLastFromUtf16(text.AsSpan(0, i), out Rune before, out int length);
            i -= length;
            if (!IsIgnorable(before))
            {
                return IsCased(before) && !BeginsWithCased(text.AsSpan(at + 1));
            }
        }

        return false;
    }

    private static bool BeginsWithCased(ReadOnlySpan<char> text)
    {
        foreach (Rune after in text.EnumerateRunes())
        {
            if (!IsIgnorable(after))
            {
                return IsCased(after);
            }
        }

        return false;
    }

    private static bool IsIgnorable(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || (rune.IsBmp && InsideWords.Contains((char)rune.Value, StringComparison.Ordinal));

    // Letters with case, and the letters in circles, squares and Roman numerals that Unicode counts among them.
    private static bool IsCased(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.LowercaseLetter or UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter
        || rune.Value is 0xAA or 0xBA or (>= 0x2160 and <= 0x217F) or (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);
}
