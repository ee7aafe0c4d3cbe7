using System.Globalization;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Takes the escapes out of string literals, by Python's rules.</summary>
internal static class TextEscapes
{
    private const string Letters = "\\'\"abfnrtv";
    private const string Meanings = "\\'\"\a\b\f\n\r\t\v";

    /// <summary>The text a literal stands for; null when an escape is malformed.</summary>
    /// <param name="literal">What stands between the quotes.</param>
    /// <param name="problem">Receives what is wrong.</param>
    public static string? Decode(string literal, out string problem)
    {
        problem = "";
        StringBuilder text = new(literal.Length);
        for (int i = 0; i < literal.Length;)
        {
            int backslash = literal.IndexOf('\\', i);
            if (backslash < 0 || backslash + 1 == literal.Length)
            {
                text.Append(literal, i, literal.Length - i);
                break;
            }

            text.Append(literal, i, backslash - i);
            i = backslash + 1;
            char letter = literal[i];
            int meaning = Letters.IndexOf(letter, StringComparison.Ordinal);
            if (meaning >= 0)
            {
                text.Append(Meanings[meaning]);
                i++;
            }
            else if (letter is >= '0' and <= '7')
            {
                i = Octal(literal, i, text);
            }
            else if (letter is 'x' or 'u' or 'U' or 'N')
            {
                int digits = letter switch { 'x' => 2, 'u' => 4, _ => 8 };
                if (letter == 'N' || !TryHex(literal, i + 1, digits, text))
                {
                    problem = letter == 'N' ? "character names are not supported" : $"a \\{letter} escape needs {digits} hexadecimal digits of a character";
                    return null;
                }

                i += 1 + digits;
            }
            else if (letter == '\n')
            {
                i++;
            }
            else
            {
                i = Other(literal, i, text);
            }
        }

        return text.ToString();
    }

    private static int Octal(string literal, int place, StringBuilder text)
    {
        int value = 0, end = place;
        while (end < literal.Length && end < place + 3 && literal[end] is >= '0' and <= '7')
        {
            value = value * 8 + literal[end++] - '0';
        }

        text.Append((char)value);
        return end;
    }

    private static bool TryHex(string literal, int place, int digits, StringBuilder text)
    {
        if (place + digits > literal.Length
            || !uint.TryParse(literal.AsSpan(place, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            || value > 0x10FFFF)
        {
            return false;
        }

        _ = value > 0xFFFF ? text.Append(char.ConvertFromUtf32((int)value)) : text.Append((char)value);
        return true;
    }

    // An unknown escape stays. One beyond ASCII shows its number, as the original decodes escapes after it has escaped such characters.
    private static int Other(string literal, int place, StringBuilder text)
    {
        Rune.DecodeFromUtf16(literal.AsSpan(place), out Rune rune, out int units);
        text.Append('\\');
        _ = rune.Value switch
        {
            < 0x80 => text.Append((char)rune.Value),
            < 0x100 => text.Append(CultureInfo.InvariantCulture, $"x{rune.Value:x2}"),
            < 0x10000 => text.Append(CultureInfo.InvariantCulture, $"u{rune.Value:x4}"),
            _ => text.Append(CultureInfo.InvariantCulture, $"U{rune.Value:x8}"),
        };
        return place + units;
    }
}
