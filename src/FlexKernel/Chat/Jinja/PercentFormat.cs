using System.Globalization;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>format % values</c>.</summary>
internal sealed class PercentFormat
{
    private readonly TextValue _format;
    private readonly Value _values;
    private readonly Machine _machine;
    private readonly TextBuilder _text;
    private int _place;
    private int _taken;
    private bool _usesNames;

    private PercentFormat(TextValue format, Value values, Machine machine)
    {
        _format = format;
        _values = values;
        _machine = machine;
        _text = new TextBuilder(machine.Meter);
    }

    private char Current => _place < _format.Text.Length ? _format.Text[_place] : throw JinjaException.Runtime("incomplete format");

    /// <summary>Formats.</summary>
    /// <param name="format">The format.</param>
    /// <param name="values">A tuple of values, a dictionary, or one value.</param>
    /// <param name="machine">The rendering.</param>
    public static TextValue Apply(TextValue format, Value values, Machine machine) => new PercentFormat(format, values, machine).Run();

    private TextValue Run()
    {
        while (_place < _format.Text.Length)
        {
            int percent = _format.Text.IndexOf('%', _place);
            int end = percent < 0 ? _format.Text.Length : percent;
            _text.Append(_format, _place, end);
            _place = end + 1;
            if (percent >= 0)
            {
                Conversion();
            }
        }

        // What has elements by key need not be used, except for tuples, which are the values.
        bool isOneForAll = _usesNames || _values is DictValue or ListValue or RangeValue or UndefinedValue;
        int count = _values is TupleValue tuple ? tuple.Items.Count : isOneForAll ? 0 : 1;
        return _taken >= count
            ? _text.ToText().AsMarkup(_format.IsMarkup)
            : throw JinjaException.Runtime("not all arguments converted during string formatting");
    }

    private void Conversion()
    {
        Value? named = Current == '(' ? Named() : null;
        int flagsStart = _place;
        while (Current is '-' or '+' or ' ' or '0' or '#')
        {
            _place++;
        }

        string flags = _format.Text[flagsStart.._place];
        int width = Number() ?? 0;
        int? precision = null;
        if (Current == '.')
        {
            _place++;
            precision = Math.Max(Number() ?? 0, 0);
        }

        if (width < 0)
        {
            (flags, width) = (flags + "-", -width);
        }

        while (Current is 'h' or 'l' or 'L')
        {
            _place++;
        }

        char type = Current;
        _place++;
        if (type == '%')
        {
            _text.Append("%");
            return;
        }

        Write(named ?? Take(), type, flags, width, precision);
    }

    private Value Named()
    {
        int depth = 1, start = ++_place;
        for (; depth > 0; _place++)
        {
            depth += Current == '(' ? 1 : Current == ')' ? -1 : 0;
        }

        _usesNames = true;
        TextValue name = _format.Slice(start, _place - 1, _machine.Meter);
        return _values is DictValue dict
            ? dict.TryGet(name, out Value? value) ? value : throw JinjaException.Runtime($"the format has no value for '{name.Text}'")
            : throw JinjaException.Runtime("format requires a mapping");
    }

    private int? Number()
    {
        if (Current == '*')
        {
            _place++;
            return Arguments.Int(Take());
        }

        int start = _place;
        while (char.IsAsciiDigit(Current))
        {
            _place++;
        }

        return _place == start ? null
            : int.TryParse(_format.Text.AsSpan(start, _place - start), CultureInfo.InvariantCulture, out int number) ? number
            : throw JinjaException.Limit("a width beyond all bounds");
    }

    private Value Take()
    {
        Value? value = _values is TupleValue tuple ? tuple.Items.ElementAtOrDefault(_taken) : _taken == 0 ? _values : null;
        _taken++;
        return value ?? throw JinjaException.Runtime("not enough arguments for format string");
    }

    private void Write(Value value, char type, string flags, int width, int? precision)
    {
        switch (type)
        {
            case 's' or 'r' or 'a':
                TextValue text = type == 's' ? PythonText.Str(value, _machine.Meter) : PythonText.Repr(value, _machine.Meter);
                text = _format.IsMarkup ? Markup.Escape(text, _machine.Meter) : text;
                Pad(precision is int most && most < text.Length ? text.Slice(0, text.UnitAt(most), _machine.Meter) : text, "", flags, width, ' ');
                break;
            case 'c':
                Pad(Character(value), "", flags, width, ' ');
                break;
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                BigInteger whole = Whole(value, type);
                string digits = NumberFormat.Whole(whole, type).PadLeft(NumberFormat.CheckPrecision(precision ?? 0), '0');
                string prefix = flags.Contains('#') ? type switch { 'x' => "0x", 'X' => "0X", 'o' => "0o", _ => "" } : "";
                Pad(TextValue.Of(digits), Sign(whole.Sign < 0, flags) + prefix, flags, width, flags.Contains('0') ? '0' : ' ');
                break;
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                double number = value is UndefinedValue undefined ? throw undefined.Fail() : Operators.ToDouble(value);
                string formatted = NumberFormat.Float(number, type, precision, flags.Contains('#'));
                Pad(TextValue.Of(formatted), Sign(double.IsNegative(number), flags), flags, width, flags.Contains('0') && double.IsFinite(number) ? '0' : ' ');
                break;
            default:
                throw JinjaException.Runtime($"unsupported format character '{type}'");
        }
    }

    private static string Sign(bool isNegative, string flags) => isNegative ? "-" : flags.Contains('+') ? "+" : flags.Contains(' ') ? " " : "";

    private static BigInteger Whole(Value value, char type)
    {
        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        bool takesFloats = type is 'd' or 'i' or 'u';
        return Operators.TryInteger(value, out BigInteger whole) ? whole
            : takesFloats && value is FloatValue number && double.IsFinite(number.Number) ? new BigInteger(number.Number)
            : throw JinjaException.Runtime($"%{type} format: a number is required, not {value.TypeName}");
    }

    private static TextValue Character(Value value)
    {
        if (value is TextValue { Length: 1 } text)
        {
            return text;
        }

        return Operators.TryInteger(value, out BigInteger code) && System.Text.Rune.IsValid((int)BigInteger.Clamp(code, -1, int.MaxValue))
            ? TextValue.Of(char.ConvertFromUtf32((int)code))
            : throw JinjaException.Runtime("%c requires a character");
    }

    private void Pad(TextValue text, string prefix, string flags, int width, char filling)
    {
        int missing = Math.Max(width - text.Length!.Value - prefix.Length, 0);
        bool isLeft = flags.Contains('-');
        TextValue spaces = TextValue.Of(" ");
        _text.Repeat(spaces, isLeft || filling == '0' ? 0 : missing).Append(prefix);
        _text.Repeat(TextValue.Of("0"), !isLeft && filling == '0' ? missing : 0).Append(text).Repeat(spaces, isLeft ? missing : 0);
    }
}
