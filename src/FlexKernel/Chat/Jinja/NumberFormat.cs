using System.Globalization;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Writes numbers for the two ways of formatting.</summary>
internal static class NumberFormat
{
    /// <summary>A number in one of Python's float types, without its sign.</summary>
    /// <param name="value">The number; its sign is left out.</param>
    /// <param name="type">One of <c>e f g %</c> in either case, or <c>n</c>.</param>
    /// <param name="precision">Digits; null for 6.</param>
    /// <param name="isAlternate">True keeps trailing zeros and the point.</param>
    public static string Float(double value, char type, int? precision, bool isAlternate)
    {
        if (!double.IsFinite(value))
        {
            string name = double.IsNaN(value) ? "nan" : "inf";
            return (char.IsUpper(type) ? name.ToUpperInvariant() : name) + (type == '%' ? "%" : "");
        }

        double magnitude = Math.Abs(value);
        int digits = CheckPrecision(precision ?? 6);
        string text = char.ToLowerInvariant(type) switch
        {
            'f' => FloatText.Fixed(magnitude, digits),
            '%' => FloatText.Fixed(magnitude * 100, digits) + "%",
            'e' => FloatText.Scientific(magnitude, digits),
            _ => FloatText.General(magnitude, digits, isAlternate),
        };
        return char.IsUpper(type) ? text.ToUpperInvariant() : text;
    }

    /// <summary>The digits of a whole number in a base, without its sign.</summary>
    public static string Whole(BigInteger value, char type)
    {
        BigInteger magnitude = BigInteger.Abs(value);
        string text = type switch
        {
            'x' or 'X' => magnitude.ToString("x", CultureInfo.InvariantCulture),
            'o' => Octal(magnitude),
            'b' => magnitude.ToString("b", CultureInfo.InvariantCulture),
            _ => magnitude.ToString(CultureInfo.InvariantCulture),
        };
        text = text.TrimStart('0') is { Length: > 0 } digits ? digits : "0";
        return type == 'X' ? text.ToUpperInvariant() : text;
    }

    /// <summary>Refuses more digits than anyone reads.</summary>
    public static int CheckPrecision(int precision) => precision <= FloatText.MaxPrecision
        ? precision
        : throw JinjaException.Limit($"a precision of more than {FloatText.MaxPrecision} digits");

    /// <summary>Puts a separator between groups of digits.</summary>
    public static string Group(string number, char separator, int size)
    {
        int length = 0;
        while (length < number.Length && char.IsAsciiHexDigit(number[length]) && !IsExponent(number, length))
        {
            length++;
        }

        string digits = number[..length];
        string grouped = digits.Length % size == 0 ? "" : digits[..(digits.Length % size)];
        for (int i = digits.Length % size; i < digits.Length; i += size)
        {
            grouped += (grouped.Length > 0 ? separator : "") + digits[i..(i + size)];
        }

        return grouped + number[length..];
    }

    private static bool IsExponent(string number, int place) =>
        number[place] is 'e' or 'E' && place + 1 < number.Length && number[place + 1] is '+' or '-';

    private static string Octal(BigInteger value)
    {
        string bits = value.ToString("b", CultureInfo.InvariantCulture);
        bits = bits.PadLeft((bits.Length + 2) / 3 * 3, '0');
        return string.Concat(Enumerable.Range(0, bits.Length / 3).Select(i => (char)('0' + Convert.ToInt32(bits.Substring(3 * i, 3), 2))));
    }
}
