using System.Globalization;
using System.Numerics;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Filters that make numbers.</summary>
internal static class NumberFilters
{
    private static readonly string[] DecimalUnits = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    private static readonly string[] BinaryUnits = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

    public static Dictionary<string, Filter> All { get; } = new()
    {
        ["abs"] = Filters.Of("abs", (_, value) => Absolute(value)),
        ["count"] = Filters.Of("length", (_, value) => Length(value)),
        ["filesizeformat"] = Filters.Of("filesizeformat", 0, ["binary"], (_, value, a) => FileSize(value, Arguments.IsTrue(a[0]))),
        ["float"] = Filters.Of("float", 0, ["default"], (_, value, a) =>
            ToFloat(value) is double number ? new FloatValue(number) : a[0] ?? new FloatValue(0)),
        ["int"] = Filters.Of("int", 0, ["default", "base"], ToInt),
        ["length"] = Filters.Of("length", (_, value) => Length(value)),
        ["round"] = Filters.Of("round", 0, ["precision", "method"], Round),
        ["sum"] = Filters.Of("sum", 0, ["attribute", "start"], Sum),
        ["wordcount"] = Filters.Of("wordcount", (machine, value) => IntValue.Of(CountWords(TextFilters.Soft(value, machine).Text))),
    };

    private static IntValue Length(Value value) =>
        value.Length is int length ? IntValue.Of(length) : throw JinjaException.Runtime($"object of type '{value.TypeName}' has no len()");

    private static Value Absolute(Value value) => value switch
    {
        FloatValue number => new FloatValue(Math.Abs(number.Number)),
        UndefinedValue undefined => throw undefined.Fail(),
        _ => Operators.TryInteger(value, out BigInteger whole) ? IntValue.Of(BigInteger.Abs(whole)) : throw JinjaException.Type("abs()", value),
    };

    private static TextValue FileSize(Value value, bool isBinary)
    {
        double bytes = ToFloat(value) ?? throw JinjaException.Type("filesizeformat", value);
        double step = isBinary ? 1024 : 1000;
        if (bytes == 1)
        {
            return TextValue.Of("1 Byte");
        }

        if (bytes < step)
        {
            return TextValue.Of($"{new BigInteger(bytes)} Bytes");
        }

        string[] units = isBinary ? BinaryUnits : DecimalUnits;
        int unit = 0;
        while (unit < units.Length - 1 && bytes >= Math.Pow(step, unit + 2))
        {
            unit++;
        }

        return TextValue.Of($"{FloatText.Fixed(step * bytes / Math.Pow(step, unit + 2), 1)} {units[unit]}");
    }

    // Null where the value has no number.
    private static double? ToFloat(Value value)
    {
        if (value is not TextValue text)
        {
            return value is UndefinedValue undefined ? throw undefined.Fail() : Operators.IsNumber(value) ? Operators.ToDouble(value) : null;
        }

        string digits = AsciiDigits(text.Text);
        string unsigned = digits.TrimStart('+', '-').ToLowerInvariant();
        if (digits.Length - unsigned.Length <= 1 && unsigned is "inf" or "infinity" or "nan")
        {
            return unsigned == "nan" ? double.NaN : digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        }

        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        bool isNumber = HasGoodUnderscores(digits) && unsigned.Length > 0 && (char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.');
        return isNumber && double.TryParse(digits.Replace("_", "", StringComparison.Ordinal), Style, CultureInfo.InvariantCulture, out double number)
            ? number
            : null;
    }

    private static Value ToInt(Machine machine, Value value, Value?[] a)
    {
        if (value is TextValue text && Whole(text.Text, Arguments.Int(a[1], 10)) is BigInteger whole)
        {
            return IntValue.Of(whole);
        }

        if (Operators.TryInteger(value, out BigInteger number))
        {
            return IntValue.Of(number);
        }

        if (value is FloatValue { Number: double.PositiveInfinity or double.NegativeInfinity })
        {
            throw JinjaException.Runtime("cannot convert float infinity to integer");
        }

        return ToFloat(value) is double real && double.IsFinite(real) ? IntValue.Of(new BigInteger(real)) : a[0] ?? IntValue.Of(0);
    }

    // Null where the text is no whole number of the base.
    private static BigInteger? Whole(string text, int radix)
    {
        string digits = AsciiDigits(text).ToLowerInvariant();
        bool isNegative = digits.StartsWith('-');
        digits = isNegative || digits.StartsWith('+') ? digits[1..] : digits;
        int prefixed = digits.Length > 2 && digits[0] == '0' ? digits[1] switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefixed != 0 && (radix == prefixed || radix == 0))
        {
            radix = prefixed;
            digits = digits[2] == '_' ? digits[3..] : digits[2..];
        }

        if (radix == 0)
        {
            radix = digits.StartsWith('0') && digits.Trim('0', '_').Length > 0 ? -1 : 10;
        }

        if (radix is < 2 or > 36 || !HasGoodUnderscores(digits))
        {
            return null;
        }

        digits = digits.Replace("_", "", StringComparison.Ordinal);
        IntValue.CheckBits(digits.Length * Math.Log2(radix));
        BigInteger number = BigInteger.Zero;
        foreach (char digit in digits)
        {
            int place = char.IsAsciiDigit(digit) ? digit - '0' : char.IsAsciiLetterLower(digit) ? digit - 'a' + 10 : radix;
            if (place >= radix)
            {
                return null;
            }

            number = number * radix + place;
        }

        return isNegative ? -number : number;
    }

    // Without white space around it, digits of all scripts as ASCII ones.
    private static string AsciiDigits(string text)
    {
        StringBuilder digits = new();
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (PythonCharacters.IsDecimal(rune))
            {
                digits.Append((int)Rune.GetNumericValue(rune));
            }
            else
            {
                digits.Append(rune.IsBmp && PythonCharacters.IsSpace((char)rune.Value) ? " " : rune.ToString());
            }
        }

        return digits.ToString().Trim(' ');
    }

    // Underscores only stand between digits.
    private static bool HasGoodUnderscores(string digits)
    {
        for (int i = 0; i < digits.Length; i++)
        {
            bool isBetween = i > 0 && i + 1 < digits.Length && char.IsAsciiLetterOrDigit(digits[i - 1]) && char.IsAsciiLetterOrDigit(digits[i + 1]);
            if (digits[i] == '_' && !isBetween)
            {
                return false;
            }
        }

        return digits.Length > 0;
    }

    private static Value Round(Machine machine, Value value, Value?[] a)
    {
        int precision = Arguments.Int(a[0], 0);
        string method = a[1] is null ? "common" : Arguments.Text(a[1]!, "round").Text;
        if (method is not ("common" or "ceil" or "floor"))
        {
            throw JinjaException.Runtime("method must be common, ceil or floor");
        }

        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        if (method != "common")
        {
            double scale = Math.Pow(10, precision), scaled = Operators.ToDouble(value) * scale;
            return new FloatValue((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale);
        }

        return Operators.TryInteger(value, out BigInteger whole)
            ? IntValue.Of(RoundWhole(whole, precision))
            : new FloatValue(FloatText.Round(Operators.ToDouble(value), precision));
    }

    // Ties to even.
    private static BigInteger RoundWhole(BigInteger number, int precision)
    {
        if (precision >= 0)
        {
            return number;
        }

        IntValue.CheckBits(-3.4 * precision);
        var unit = BigInteger.Pow(10, -precision);
        BigInteger rest = ((number % unit) + unit) % unit, below = number - rest;
        int half = (rest * 2).CompareTo(unit);
        return half > 0 || (half == 0 && !(below / unit).IsEven) ? below + unit : below;
    }

    private static Value Sum(Machine machine, Value value, Value?[] a)
    {
        Value sum = a[1] ?? IntValue.Of(0);
        AttributePath? path = Arguments.OrNull(a[0]) is Value attribute ? AttributePath.Parse(attribute, machine) : null;
        if (sum is TextValue)
        {
            throw JinjaException.Runtime("sum() can't sum strings");
        }

        foreach (Value item in value.Iterate(machine.Meter))
        {
            sum = Operators.Add(sum, path?.Get(item, null) ?? item, machine);
        }

        return sum;
    }

    private static int CountWords(string text)
    {
        int words = 0;
        bool isInWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isWord = PythonCharacters.IsWord(rune);
            words += isWord && !isInWord ? 1 : 0;
            isInWord = isWord;
        }

        return words;
    }
}
