using System.Globalization;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Writes doubles as Python does: the shortest digits that read back, or exactly rounded ones.</summary>
internal static class FloatText
{
    /// <summary>The most digits after the point.</summary>
    public const int MaxPrecision = 1000;

    /// <summary><c>repr</c>.</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        (string digits, int exponent) = Digits(value.ToString("R", CultureInfo.InvariantCulture).TrimStart('-'));
        string sign = double.IsNegative(value) ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{Exponent(exponent)}";
        }

        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }

        string padded = digits.PadRight(exponent + 2, '0');
        return $"{sign}{padded[..(exponent + 1)]}.{padded[(exponent + 1)..]}";
    }

    /// <summary>A fixed number of digits after the point, ties to even.</summary>
    public static string Fixed(double value, int precision)
    {
        string digits = Scaled(Math.Abs(value), precision).ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        string sign = double.IsNegative(value) ? "-" : "";
        return precision == 0 ? sign + digits : $"{sign}{digits[..^precision]}.{digits[^precision..]}";
    }

    /// <summary>One digit before the point and a fixed number after it, with an exponent.</summary>
    public static string Scientific(double value, int precision)
    {
        (string digits, int exponent) = Significant(value, precision + 1);
        string fraction = precision == 0 ? "" : "." + digits[1..];
        return $"{(double.IsNegative(value) ? "-" : "")}{digits[0]}{fraction}e{Exponent(exponent)}";
    }

    /// <summary>A number of significant digits without trailing zeros, with an exponent where it is small or large.</summary>
    /// <param name="value">The number.</param>
    /// <param name="precision">The number of digits.</param>
    /// <param name="keepsZeros">True keeps trailing zeros.</param>
    /// <param name="atLeastOne">True writes ".0" where nothing follows the point, and an exponent one digit earlier.</param>
    public static string General(double value, int precision, bool keepsZeros, bool atLeastOne = false)
    {
        precision = Math.Max(precision, 1);
        int exponent = Significant(value, precision).Exponent;
        if (exponent < -4 || exponent >= precision - (atLeastOne ? 1 : 0))
        {
            string scientific = Scientific(value, precision - 1);
            int e = scientific.IndexOf('e');
            return keepsZeros ? scientific : Trim(scientific[..e]) + scientific[e..];
        }

        string text = Fixed(value, precision - 1 - exponent);
        text = keepsZeros ? text : Trim(text);
        return atLeastOne && !text.Contains('.') ? text + ".0" : text;
    }

    /// <summary>Rounds to a number of digits after the point, which may be negative; ties to even.</summary>
    public static double Round(double value, int digits)
    {
        if (!double.IsFinite(value) || digits > 330)
        {
            return value;
        }

        if (digits >= 0)
        {
            return double.Parse(Fixed(value, digits), CultureInfo.InvariantCulture);
        }

        return digits < -330
            ? Math.CopySign(0, value)
            : Math.CopySign((double)(Scaled(Math.Abs(value), digits) * BigInteger.Pow(10, -digits)), value);
    }

    private static string Trim(string number) => number.Contains('.') ? number.TrimEnd('0').TrimEnd('.') : number;

    private static string Exponent(int exponent) => $"{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture)}";

    private static (string Digits, int Exponent) Digits(string number)
    {
        int e = number.IndexOf('E');
        int exponent = e < 0 ? 0 : int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? number : number[..e];
        int point = mantissa.IndexOf('.');
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int zeros = digits.Length - digits.TrimStart('0').Length;
        string significant = digits.Trim('0');
        return significant.Length == 0 ? ("0", 0) : (significant, exponent + (point < 0 ? mantissa.Length : point) - 1 - zeros);
    }

    private static (string Digits, int Exponent) Significant(double value, int count)
    {
        if (value == 0)
        {
            return (new string('0', count), 0);
        }

        double magnitude = Math.Abs(value);
        for (int exponent = (int)Math.Floor(Math.Log10(magnitude)) - 1; ; exponent++)
        {
            string digits = Scaled(magnitude, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
            if (digits.Length == count)
            {
                return (digits, exponent);
            }
        }
    }

    // value * 10^digits to the nearest whole number, ties to even.
    private static BigInteger Scaled(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int stored = (int)(bits >> 52) & 0x7FF;
        BigInteger numerator = stored == 0 ? bits & 0xFFFFFFFFFFFFF : (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000;
        int exponent = Math.Max(stored, 1) - 1075;
        BigInteger denominator = BigInteger.One;
        numerator = numerator * BigInteger.Pow(10, Math.Max(digits, 0)) << Math.Max(exponent, 0);
        denominator = denominator * BigInteger.Pow(10, Math.Max(-digits, 0)) << Math.Max(-exponent, 0);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        int half = (rest * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
