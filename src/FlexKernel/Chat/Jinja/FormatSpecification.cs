using System.Globalization;
using System.Numerics;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>What stands after the colon of a format field: <c>[[fill]align][sign][z][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed record FormatSpecification
{
    private static readonly FormatSpecification Nothing = new();

    private string Fill { get; init; } = " ";

    private char? Align { get; init; }

    private char Sign { get; init; } = '-';

    private bool IsAlternate { get; init; }

    private bool HasZeros { get; init; }

    private int Width { get; init; }

    private char? Grouping { get; init; }

    private int? Precision { get; init; }

    private char? Type { get; init; }

    public static FormatSpecification Parse(TextValue text)
    {
        string units = text.Text;
        if (units.Length == 0)
        {
            return Nothing;
        }

        int place = 0;
        FormatSpecification parsed = new();
        int fillLength = Rune.DecodeFromUtf16(units, out _, out int length) == 0 ? length : 1;
        if (units.Length > fillLength && IsAlign(units[fillLength]))
        {
            parsed = parsed with { Fill = units[..fillLength], Align = units[fillLength] };
            place = fillLength + 1;
        }
        else if (IsAlign(units[0]))
        {
            parsed = parsed with { Align = units[place++] };
        }

        char sign = Take("+- ");
        bool isAlternate = Take("z") == 'z' | Take("#") == '#';
        bool hasZeros = Take("0") == '0';
        parsed = parsed with
        {
            Sign = sign == '\0' ? '-' : sign,
            IsAlternate = isAlternate,
            HasZeros = hasZeros,
            Width = Number() ?? 0,
        };
        char grouping = Take(",_");
        int? precision = Take(".") == '.' ? Number() ?? throw JinjaException.Runtime("Format specifier missing precision") : null;
        char type = place < units.Length ? units[place++] : '\0';
        return place == units.Length
            ? parsed with { Grouping = grouping == '\0' ? null : grouping, Precision = precision, Type = type == '\0' ? null : type }
            : throw JinjaException.Runtime("Invalid format specifier");

        char Take(string set) => place < units.Length && set.Contains(units[place]) ? units[place++] : '\0';

        int? Number()
        {
            int start = place;
            while (place < units.Length && char.IsAsciiDigit(units[place]))
            {
                place++;
            }

            return place == start ? null
                : int.TryParse(units.AsSpan(start, place - start), CultureInfo.InvariantCulture, out int number) ? number
                : throw JinjaException.Limit("a width beyond all bounds");
        }
    }

    public TextValue Write(Value value, Machine machine)
    {
        switch (value)
        {
            case TextValue text:
                return WriteText(text, machine.Meter);
            case BoolValue when this == Nothing:
                return PythonText.Str(value, machine.Meter);
            case IntValue or BoolValue when Type is null or 'd' or 'n' or 'b' or 'o' or 'x' or 'X' or 'c':
                return WriteWhole(value, machine.Meter);
            case IntValue or BoolValue or FloatValue:
                return WriteFloat(Operators.ToDouble(value), machine.Meter);
            default:
                return this == Nothing
                    ? PythonText.Str(value, machine.Meter)
                    : throw JinjaException.Runtime($"unsupported format string passed to {value.TypeName}.__format__");
        }
    }

    private static bool IsAlign(char unit) => unit is '<' or '>' or '^' or '=';

    private TextValue WriteText(TextValue text, Meter meter)
    {
        if (Type is not (null or 's') || Align == '=' || Grouping is not null || Sign != '-')
        {
            throw JinjaException.Runtime("a format for numbers does not take a string");
        }

        TextValue cut = Precision is int most && most < text.Length ? text.Slice(0, text.UnitAt(most), meter) : text;
        return Pad(cut, "", Align ?? '<', meter);
    }

    private TextValue WriteWhole(Value value, Meter meter)
    {
        Operators.TryInteger(value, out BigInteger number);
        if (Precision is not null)
        {
            throw JinjaException.Runtime("Precision not allowed in integer format specifier");
        }

        char type = Type ?? 'd';
        if (type == 'c')
        {
            return Rune.IsValid((int)BigInteger.Clamp(number, -1, int.MaxValue))
                ? Pad(TextValue.Of(char.ConvertFromUtf32((int)number)), "", Align ?? '<', meter)
                : throw JinjaException.Runtime("%c arg not in range(0x110000)");
        }

        string digits = NumberFormat.Whole(number, type);
        bool isBased = type is 'b' or 'o' or 'x' or 'X';
        string prefix = IsAlternate && isBased ? "0" + type : "";
        return WriteNumber(digits, SignOf(number.Sign < 0) + prefix, isBased ? 4 : 3, meter);
    }

    private TextValue WriteFloat(double number, Meter meter)
    {
        string digits = Type switch
        {
            null when Precision is null => FloatText.Repr(Math.Abs(number)),
            null => double.IsFinite(number)
                ? FloatText.General(Math.Abs(number), NumberFormat.CheckPrecision(Precision.Value), IsAlternate, atLeastOne: true)
                : NumberFormat.Float(number, 'g', null, false),
            'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%' or 'n' => NumberFormat.Float(number, Type.Value, Precision, IsAlternate),
            _ => throw JinjaException.Runtime($"Unknown format code '{Type}' for object of type 'float'"),
        };
        return WriteNumber(digits, SignOf(double.IsNegative(number)), 3, meter);
    }

    private string SignOf(bool isNegative) => isNegative ? "-" : Sign == '-' ? "" : Sign.ToString();

    private TextValue WriteNumber(string digits, string prefix, int groupSize, Meter meter)
    {
        string grouped = Grouping is char separator ? NumberFormat.Group(digits, separator, groupSize) : digits;
        if (Grouping is char filler && HasZeros && Align is null)
        {
            NumberFormat.CheckPrecision(Width);
            while (grouped.Length + prefix.Length < Width)
            {
                digits = "0" + digits;
                grouped = NumberFormat.Group(digits, filler, groupSize);
            }
        }

        return Pad(TextValue.Of(grouped), prefix, Align ?? (HasZeros ? '=' : '>'), meter);
    }

    private TextValue Pad(TextValue text, string prefix, char align, Meter meter)
    {
        int missing = Math.Max(Width - text.Length!.Value - prefix.Length, 0);
        TextValue fill = TextValue.Of(HasZeros && Fill == " " ? "0" : Fill);
        int left = align switch { '>' => missing, '^' => missing / 2, _ => 0 };
        int inner = align == '=' ? missing : 0;
        return new TextBuilder(meter).Repeat(fill, left).Append(prefix).Repeat(fill, inner).Append(text).Repeat(fill, missing - left - inner).ToText();
    }
}
