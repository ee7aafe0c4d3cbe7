using System.Globalization;
using System.Text;

namespace FlexKernel.Text.PreTokenizers;

/// <summary>The kinds of code points the patterns tell apart.</summary>
internal enum CharClass : byte
{
    /// <summary><c>\p{L}</c>.</summary>
    Letter,

    /// <summary><c>\p{N}</c>.</summary>
    Number,

    /// <summary>Carriage return or line feed.</summary>
    Newline,

    /// <summary>Other white space.</summary>
    Space,

    /// <summary>Everything else, unassigned code points and lone surrogates included.</summary>
    Other,

    /// <summary>Half of a code point above U+FFFF: only the pair has a class.</summary>
    Surrogate,
}

/// <summary>Classifies code points of UTF-16 text.</summary>
internal static class CharClasses
{
    private static readonly CharClass[] Table = BuildTable();

    /// <summary>The class of every UTF-16 unit.</summary>
    public static ReadOnlySpan<CharClass> Units => Table;

    /// <summary>Classifies the code point at an index.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">The index of its first unit.</param>
    /// <param name="length">Receives how many units it takes.</param>
    public static CharClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        length = 1;
        CharClass unit = Units[text[index]];
        if (unit != CharClass.Surrogate)
        {
            return unit;
        }

        if (index + 1 < text.Length && Rune.TryCreate(text[index], text[index + 1], out Rune rune))
        {
            length = 2;
            return Classify(Rune.GetUnicodeCategory(rune));
        }

        return CharClass.Other;
    }

    /// <summary>The first index at or after <paramref name="index"/> where a code point of another class begins.</summary>
    public static int Skip(ReadOnlySpan<char> text, int index, CharClass of)
    {
        ReadOnlySpan<CharClass> units = Units;
        while (index < text.Length)
        {
            CharClass unit = units[text[index]];
            if (unit == of)
            {
                index++;
            }
            else if (unit == CharClass.Surrogate && At(text, index, out int length) == of)
            {
                index += length;
            }
            else
            {
                break;
            }
        }

        return index;
    }

    private static CharClass[] BuildTable()
    {
        CharClass[] table = new CharClass[char.MaxValue + 1];
        for (int unit = 0; unit < table.Length; unit++)
        {
            char value = (char)unit;
            table[unit] = value is '\r' or '\n' ? CharClass.Newline
                : char.IsWhiteSpace(value) ? CharClass.Space
                : char.IsSurrogate(value) ? CharClass.Surrogate
                : Classify(CharUnicodeInfo.GetUnicodeCategory(value));
        }

        return table;
    }

    private static CharClass Classify(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => CharClass.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharClass.Number,
        _ => CharClass.Other,
    };
}
