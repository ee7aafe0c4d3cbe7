using System.Globalization;
using System.Text;

namespace FlexKernel.Evaluation.Python;

/// <summary>Numbers as Python's <c>float</c> reads and writes them.</summary>
internal static class PythonFloat
{
    // Python writes exponents below -4 and from 16 on.
    private const int SmallestPlain = -4;
    private const int LargestPlain = 16;

    /// <summary><c>float(text)</c>: white space around, underscores between digits, digits of any script, infinity, nan.</summary>
    public static bool TryParse(string text, out double value)
    {
        value = 0;
        StringBuilder ascii = new(text.Length);

        // Here, unlike in str.strip, the information separators are no white space: .NET's set.
        foreach (Rune rune in text.Trim().EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber)
            {
                ascii.Append((char)('0' + (int)Rune.GetNumericValue(rune)));
            }
            else if (rune.IsAscii)
            {
                ascii.Append((char)rune.Value);
            }
            else
            {
                return false;
            }
        }

        string? digits = WithoutUnderscores(ascii.ToString());
        if (digits is null || digits.Length == 0)
        {
            return false;
        }

        string unsigned = digits[0] is '+' or '-' ? digits[1..] : digits;
        if (unsigned.Equals("inf", StringComparison.OrdinalIgnoreCase) || unsigned.Equals("infinity", StringComparison.OrdinalIgnoreCase))
        {
            value = digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }

        if (unsigned.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            value = double.NaN;
            return true;
        }

        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return IsPlain(unsigned) && double.TryParse(digits, Style, CultureInfo.InvariantCulture, out value);
    }

    /// <summary><c>repr(value)</c>: the fewest digits that read back as the value.</summary>
    public static string Format(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        // Sign, digits and a decimal exponent, however .NET lays them out.
        string text = value.ToString("E16", CultureInfo.InvariantCulture);
        for (int precision = 0; precision < 16; precision++)
        {
            string shorter = value.ToString($"E{precision}", CultureInfo.InvariantCulture);
            if (double.Parse(shorter, CultureInfo.InvariantCulture) == value)
            {
                text = shorter;
                break;
            }
        }

        string sign = double.IsNegative(value) ? "-" : "";
        string[] parts = text.TrimStart('-').Split('E');
        string digits = parts[0].Replace(".", "", StringComparison.Ordinal).TrimEnd('0');
        int exponent = int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return sign + Layout(digits.Length == 0 ? "0" : digits, exponent);
    }

    private static string Layout(string digits, int exponent)
    {
        if (exponent is < SmallestPlain or >= LargestPlain)
        {
            string fraction = digits.Length > 1 ? $".{digits[1..]}" : "";
            char sign = exponent < 0 ? '-' : '+';
            return string.Create(CultureInfo.InvariantCulture, $"{digits[0]}{fraction}e{sign}{Math.Abs(exponent):00}");
        }

        if (exponent < 0)
        {
            return $"0.{new string('0', -exponent - 1)}{digits}";
        }

        string whole = digits.PadRight(exponent + 1, '0');
        return $"{whole[..(exponent + 1)]}.{(whole.Length > exponent + 1 ? whole[(exponent + 1)..] : "0")}";
    }

    private static string? WithoutUnderscores(string text)
    {
        for (int i = text.IndexOf('_', StringComparison.Ordinal); i >= 0; i = text.IndexOf('_', i + 1))
        {
            if (i == 0 || i + 1 == text.Length || !char.IsAsciiDigit(text[i - 1]) || !char.IsAsciiDigit(text[i + 1]))
            {
                return null;
            }
        }

        return text.Replace("_", "", StringComparison.Ordinal);
    }

    // .NET reads more forms than Python; what both read begins with a digit or a point before one.
    private static bool IsPlain(string unsigned) => unsigned switch
    {
        ['.', char second, ..] => char.IsAsciiDigit(second),
        [char first, ..] => char.IsAsciiDigit(first),
        _ => false,
    };
}
