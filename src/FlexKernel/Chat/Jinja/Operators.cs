using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's arithmetic and <c>in</c>.</summary>
internal static class Operators
{
    // Beyond this a power of any base but -1, 0 and 1 is refused anyhow.
    private const int MaxExponent = 1 << 16;

    public static bool IsNumber([NotNullWhen(true)] Value? value) => value is IntValue or FloatValue or BoolValue;

    /// <summary>The value of a whole number or boolean.</summary>
    public static bool TryInteger(Value? value, out BigInteger number)
    {
        number = value switch
        {
            IntValue whole => whole.Number,
            BoolValue { IsTrue: true } => BigInteger.One,
            _ => BigInteger.Zero,
        };
        return value is IntValue or BoolValue;
    }

    /// <summary>The value of a number as a double.</summary>
    public static double ToDouble(Value value)
    {
        if (value is FloatValue number)
        {
            return number.Number;
        }

        double converted = TryInteger(value, out BigInteger whole) ? (double)whole : throw JinjaException.Type("a number operation", value);
        return double.IsFinite(converted) ? converted : throw JinjaException.Runtime("int too large to convert to float");
    }

    public static Value Add(Value left, Value right, Machine machine)
    {
        switch (left, right)
        {
            case (TextValue a, TextValue b):
                return AddText(a, b, machine.Meter);
            case (ListValue, ListValue) or (TupleValue, TupleValue):
                return Join((SequenceValue)left, (SequenceValue)right, machine.Meter);
            default:
                return Arithmetic("+", left, right, (a, b) => a + b, (a, b) => a + b);
        }
    }

    public static Value Subtract(Value left, Value right) => Arithmetic("-", left, right, (a, b) => a - b, (a, b) => a - b);

    public static Value Multiply(Value left, Value right, Machine machine)
    {
        if (left is TextValue or SequenceValue)
        {
            return Repeat(left, right, machine);
        }

        return right is TextValue or SequenceValue
            ? Repeat(right, left, machine)
            : Arithmetic("*", left, right, MultiplyWhole, (a, b) => a * b);
    }

    public static Value Divide(Value left, Value right)
    {
        CheckNumbers("/", left, right);
        double divisor = ToDouble(right);
        CheckDivisor(divisor == 0);
        return new FloatValue(ToDouble(left) / divisor);
    }

    public static Value FloorDivide(Value left, Value right) => Arithmetic(
        "//",
        left,
        right,
        (a, b) =>
        {
            CheckDivisor(b.IsZero);
            BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger rest);
            return !rest.IsZero && rest.Sign != b.Sign ? quotient - 1 : quotient;
        },
        (a, b) =>
        {
            CheckDivisor(b == 0);
            return double.IsFinite(a) && double.IsFinite(b) ? Math.Round((a - FloatRemainder(a, b)) / b) : Math.Floor(a / b);
        });

    public static Value Modulo(Value left, Value right, Machine machine)
    {
        if (left is TextValue format)
        {
            return PercentFormat.Apply(format, right, machine);
        }

        return Arithmetic(
            "%",
            left,
            right,
            (a, b) =>
            {
                CheckDivisor(b.IsZero);
                BigInteger rest = BigInteger.Remainder(a, b);
                return !rest.IsZero && rest.Sign != b.Sign ? rest + b : rest;
            },
            (a, b) =>
            {
                CheckDivisor(b == 0);
                return FloatRemainder(a, b);
            });
    }

    public static Value Power(Value left, Value right)
    {
        CheckNumbers("**", left, right);
        if (TryInteger(left, out BigInteger b) && TryInteger(right, out BigInteger exponent) && exponent.Sign >= 0)
        {
            if (BigInteger.Abs(b) > 1)
            {
                IntValue.CheckBits(exponent > MaxExponent ? double.MaxValue : (double)exponent * (BigInteger.Abs(b).GetBitLength() - 1));
                return IntValue.Of(BigInteger.Pow(b, (int)exponent));
            }

            return IntValue.Of(exponent.IsZero || b.IsOne || (!b.IsZero && exponent.IsEven) ? BigInteger.One : b);
        }

        double x = ToDouble(left), y = ToDouble(right);
        CheckDivisor(x == 0 && y < 0);
        double power = Math.Pow(x, y);
        bool isComplex = double.IsNaN(power) && !double.IsNaN(x) && !double.IsNaN(y);
        bool isTooLarge = double.IsInfinity(power) && double.IsFinite(x) && double.IsFinite(y);
        return isComplex || isTooLarge ? throw JinjaException.Runtime("the power is no finite real number") : new FloatValue(power);
    }

    public static Value Negate(Value value) => value switch
    {
        FloatValue number => new FloatValue(-number.Number),
        UndefinedValue undefined => throw undefined.Fail(),
        _ => TryInteger(value, out BigInteger whole) ? IntValue.Of(-whole) : throw JinjaException.Type("unary -", value),
    };

    public static Value Plus(Value value) => value switch
    {
        FloatValue => value,
        UndefinedValue undefined => throw undefined.Fail(),
        _ => TryInteger(value, out BigInteger whole) ? IntValue.Of(whole) : throw JinjaException.Type("unary +", value),
    };

    /// <summary><c>element in container</c>.</summary>
    public static bool Contains(Value container, Value element, Machine machine)
    {
        switch (container)
        {
            case TextValue text:
                return element is TextValue part ? TextSearch.IndexOf(text.Text, part.Text, 0, machine.Meter) >= 0
                    : throw JinjaException.Type("'in <string>'", element);
            case DictValue dict:
                return dict.TryGet(element, out _);
            case RangeValue range:
                return range.Contains(element);
            case DictViewValue { TypeName: "dict_keys" } keys:
                return keys.Dict.TryGet(element, out _);
            default:
                return container.Iterate(machine.Meter).Any(item => machine.Comparer.Equals(item, element));
        }
    }

    private static Value Arithmetic(
        string operation, Value left, Value right, Func<BigInteger, BigInteger, BigInteger> whole, Func<double, double, double> real)
    {
        CheckNumbers(operation, left, right);
        return TryInteger(left, out BigInteger a) && TryInteger(right, out BigInteger b)
            ? IntValue.Of(whole(a, b))
            : new FloatValue(real(ToDouble(left), ToDouble(right)));
    }

    private static BigInteger MultiplyWhole(BigInteger a, BigInteger b)
    {
        IntValue.CheckBits(a.GetBitLength() + b.GetBitLength() - 1);
        return a * b;
    }

    private static void CheckNumbers(string operation, Value left, Value right)
    {
        if (((left as UndefinedValue) ?? (right as UndefinedValue)) is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        if (!IsNumber(left) || !IsNumber(right))
        {
            throw JinjaException.Runtime($"unsupported operand types for {operation}: '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    private static void CheckDivisor(bool isZero)
    {
        if (isZero)
        {
            throw JinjaException.Runtime("division by zero");
        }
    }

    // The sign is the divisor's.
    private static double FloatRemainder(double a, double b)
    {
        double rest = a % b;
        return rest == 0 ? Math.CopySign(0, b) : double.IsNegative(rest) != double.IsNegative(b) ? rest + b : rest;
    }

    // Markup escapes what is added to it, on either side.
    private static TextValue AddText(TextValue a, TextValue b, Meter meter)
    {
        bool isMarkup = a.IsMarkup || b.IsMarkup;
        (a, b) = isMarkup ? (Markup.Escape(a, meter), Markup.Escape(b, meter)) : (a, b);
        return new TextBuilder(meter).Append(a).Append(b).ToText().AsMarkup(isMarkup);
    }

    private static SequenceValue Join(SequenceValue a, SequenceValue b, Meter meter)
    {
        meter.ChargeElements((long)a.Items.Count + b.Items.Count);
        return a.With([.. a.Items, .. b.Items]);
    }

    private static Value Repeat(Value value, Value times, Machine machine)
    {
        if (times is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        if (!TryInteger(times, out BigInteger count))
        {
            throw JinjaException.Type("the number of repetitions", times);
        }

        long repetitions = count.Sign <= 0 ? 0 : count > int.MaxValue ? int.MaxValue : (long)count;
        if (value is TextValue text)
        {
            return new TextBuilder(machine.Meter).Repeat(text, repetitions).ToText().AsMarkup(text.IsMarkup);
        }

        var sequence = (SequenceValue)value;
        machine.Meter.ChargeElements(repetitions * sequence.Items.Count);
        return sequence.With([.. Enumerable.Repeat(sequence.Items, sequence.Items.Count == 0 ? 0 : (int)repetitions).SelectMany(items => items)]);
    }
}
