using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Unicode's full case mappings, which may turn one character into several.</summary>
internal static class Casing
{
    private const char SmallSigma = '\u03C3';
    private const char FinalSigma = '\u03C2';
    private const int CapitalSigma = 0x3A3;
    private const int CapitalDottedI = 0x130;
    private const int DotlessI = 0x131;
    private const int LongS = 0x17F;

    // A character and its upper case, where that has several; the Greek block from U+1F80 to U+1FAF is computed.
    private const string ManyUpper =
        "\u00DF\u0053\u0053 \u0149\u02BC\u004E \u01F0\u004A\u030C \u0390\u0399\u0308\u0301 \u03B0\u03A5\u0308\u0301 " +
        "\u0587\u0535\u0552 \u1E96\u0048\u0331 \u1E97\u0054\u0308 \u1E98\u0057\u030A \u1E99\u0059\u030A \u1E9A\u0041\u02BE " +
        "\u1F50\u03A5\u0313 \u1F52\u03A5\u0313\u0300 \u1F54\u03A5\u0313\u0301 \u1F56\u03A5\u0313\u0342 \u1FB2\u1FBA\u0399 " +
        "\u1FB3\u0391\u0399 \u1FB4\u0386\u0399 \u1FB6\u0391\u0342 \u1FB7\u0391\u0342\u0399 \u1FBC\u0391\u0399 " +
        "\u1FC2\u1FCA\u0399 \u1FC3\u0397\u0399 \u1FC4\u0389\u0399 \u1FC6\u0397\u0342 \u1FC7\u0397\u0342\u0399 " +
        "\u1FCC\u0397\u0399 \u1FD2\u0399\u0308\u0300 \u1FD3\u0399\u0308\u0301 \u1FD6\u0399\u0342 \u1FD7\u0399\u0308\u0342 " +
        "\u1FE2\u03A5\u0308\u0300 \u1FE3\u03A5\u0308\u0301 \u1FE4\u03A1\u0313 \u1FE6\u03A5\u0342 \u1FE7\u03A5\u0308\u0342 " +
        "\u1FF2\u1FFA\u0399 \u1FF3\u03A9\u0399 \u1FF4\u038F\u0399 \u1FF6\u03A9\u0342 \u1FF7\u03A9\u0342\u0399 " +
        "\u1FFC\u03A9\u0399 \uFB00\u0046\u0046 \uFB01\u0046\u0049 \uFB02\u0046\u004C \uFB03\u0046\u0046\u0049 " +
        "\uFB04\u0046\u0046\u004C \uFB05\u0053\u0054 \uFB06\u0053\u0054 \uFB13\u0544\u0546 \uFB14\u0544\u0535 " +
        "\uFB15\u0544\u053B \uFB16\u054E\u0546 \uFB17\u0544\u053D";

    private static readonly Dictionary<int, string> UpperOf = ManyUpper.Split(' ').ToDictionary(pair => (int)pair[0], pair => pair[1..]);

    public static TextValue Upper(TextValue text, Meter meter) => Map(text, meter, (rune, _, _) => Upper(rune));

    public static TextValue Lower(TextValue text, Meter meter) => Map(text, meter, Lower);

    /// <summary>Case-insensitive form.</summary>
    public static TextValue Fold(TextValue text, Meter meter) =>
        Map(text, meter, (rune, _, _) => EachLower(string.Concat(EachLower(rune.ToString()).EnumerateRunes().Select(Upper))));

    /// <summary>The first character in title case, the others in lower case.</summary>
    public static TextValue Capitalize(TextValue text, Meter meter) =>
        Map(text, meter, (rune, all, at) => at == 0 ? Title(rune) : Lower(rune, all, at));

    /// <summary>Every character after one without case in title case, the others in lower case.</summary>
    public static TextValue Title(TextValue text, Meter meter)
    {
        bool isInWord = false;
        return Map(text, meter, (rune, all, at) =>
        {
            string mapped = isInWord ? Lower(rune, all, at) : Title(rune);
            isInWord = PythonCharacters.IsCased(rune);
            return mapped;
        });
    }

    public static TextValue Swap(TextValue text, Meter meter) => Map(
        text,
        meter,
        (rune, all, at) => PythonCharacters.IsUpper(rune) ? Lower(rune, all, at) : PythonCharacters.IsLower(rune) ? Upper(rune) : rune.ToString());

    private static TextValue Map(TextValue text, Meter meter, Func<Rune, string, int, string> map)
    {
        // A character at a time costs several times what copying it does.
        meter.Charge(4L * text.Text.Length);
        TextBuilder mapped = new(meter);
        foreach ((int start, int end, Origin origin) in text.Parts(0, text.Text.Length))
        {
            StringBuilder part = new(end - start);
            for (int i = start; i < end;)
            {
                bool isRune = Rune.TryGetRuneAt(text.Text, i, out Rune rune);
                _ = isRune ? part.Append(map(rune, text.Text, i)) : part.Append(text.Text[i]);
                i += isRune ? rune.Utf16SequenceLength : 1;
            }

            mapped.Append(part.ToString(), origin);
        }

        return mapped.ToText().AsMarkup(text.IsMarkup);
    }

    private static string EachLower(string text) => string.Concat(text.EnumerateRunes().Select(rune => Lower(rune, "", 0)));

    private static string Upper(Rune rune)
    {
        if (rune.Value is >= 0x1F80 and <= 0x1FAF)
        {
            int row = (rune.Value - 0x1F80) / 16;
            return (char)(0x1F08 + (row == 0 ? 0 : row == 1 ? 0x20 : 0x60) + (rune.Value & 7)) + "\u0399";
        }

        // The runtime leaves alone what would not come back by a change to lower case.
        return UpperOf.TryGetValue(rune.Value, out string? many) ? many : rune.Value switch
        {
            DotlessI => "I",
            LongS => "S",
            _ => Rune.ToUpperInvariant(rune).ToString(),
        };
    }

    private static string Title(Rune rune)
    {
        switch (rune.Value)
        {
            case >= 0x1C4 and <= 0x1CC:
                return ((char)(0x1C5 + (rune.Value - 0x1C4) / 3 * 3)).ToString();
            case >= 0x1F1 and <= 0x1F3:
                return "\u01F2";
            case >= 0x10D0 and <= 0x10FF:
                return rune.ToString();
            case >= 0x1F80 and <= 0x1FFC:
                return Rune.ToUpperInvariant(rune).ToString();
            case 0xDF or 0x587 or (>= 0xFB00 and <= 0xFB17):
                string upper = Upper(rune);
                return upper[0] + upper[1..].ToLowerInvariant();
            default:
                return Upper(rune);
        }
    }

    private static string Lower(Rune rune, string text, int at) => rune.Value switch
    {
        CapitalDottedI => "i\u0307",
        CapitalSigma => (IsFinalSigma(text, at) ? FinalSigma : SmallSigma).ToString(),
        _ => Rune.ToLowerInvariant(rune).ToString(),
    };

    // Sigma ends a word: a cased letter before it and none after, ignoring marks.
    private static bool IsFinalSigma(string text, int at)
    {
        bool isAfterLetter = false;
        for (int i = at; i > 0;)
        {
            Rune.DecodeLastFromUtf16(text.AsSpan(0, i), out Rune rune, out int units);
            i -= units;
            if (!PythonCharacters.IsCaseIgnorable(rune))
            {
                isAfterLetter = PythonCharacters.IsCased(rune);
                break;
            }
        }

        for (int i = at + 1; isAfterLetter && i < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(i), out Rune rune, out int units);
            i += units;
            if (!PythonCharacters.IsCaseIgnorable(rune))
            {
                return !PythonCharacters.IsCased(rune);
            }
        }

        return isAfterLetter;
    }
}
