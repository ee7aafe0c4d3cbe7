using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Equality and order as Python has them: numbers of all types compare by value, sequences element by element.</summary>
/// <param name="meter">Pays for long and deep comparisons.</param>
internal sealed class ValueComparer(Meter meter) : IEqualityComparer<Value>
{
    public bool Equals(Value? x, Value? y)
    {
        if (ReferenceEquals(x, y))
        {
            return x is not FloatValue { Number: double.NaN };
        }

        meter.ChargeElements(1);
        return (x, y) switch
        {
            (TextValue a, TextValue b) => string.Equals(a.Text, b.Text, StringComparison.Ordinal),
            (UndefinedValue, UndefinedValue) => true,
            (ListValue a, ListValue b) => EqualItems(a, b),
            (TupleValue a, TupleValue b) => EqualItems(a, b),
            (DictValue a, DictValue b) => EqualEntries(a, b),
            (RangeValue a, RangeValue b) => EqualRanges(a, b),
            _ => Operators.IsNumber(x) && Operators.IsNumber(y) && CompareNumbers(x!, y!) == 0,
        };
    }

    public int GetHashCode(Value obj)
    {
        meter.ChargeElements(1);
        switch (obj)
        {
            case TextValue text:
                meter.Charge(text.Text.Length);
                return string.GetHashCode(text.Text, StringComparison.Ordinal);
            case TupleValue tuple:
                return HashItems(tuple);
            case ListValue or DictValue:
                throw JinjaException.Runtime($"unhashable type: '{obj.TypeName}'");
            case UndefinedValue:
                return 0;
            default:
                return Operators.TryInteger(obj, out BigInteger whole) ? whole.GetHashCode()
                    : obj is FloatValue number ? HashFloat(number.Number)
                    : System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj);
        }
    }

    /// <summary>Whether a value can be a key.</summary>
    public bool IsHashable(Value value)
    {
        meter.ChargeElements(1);
        if (value is not TupleValue tuple)
        {
            return value is not (ListValue or DictValue);
        }

        meter.Enter();
        bool areHashable = tuple.Items.All(IsHashable);
        meter.Leave();
        return areHashable;
    }

    /// <summary>The order of two values; null where one is not a number.</summary>
    /// <exception cref="JinjaException">The values have no order.</exception>
    public int? Compare(Value x, Value y)
    {
        meter.ChargeElements(1);
        switch (x, y)
        {
            case (TextValue a, TextValue b):
                meter.Charge(Math.Min(a.Text.Length, b.Text.Length));
                return CompareText(a.Text, b.Text);
            case (ListValue a, ListValue b):
                return CompareItems(a, b);
            case (TupleValue a, TupleValue b):
                return CompareItems(a, b);
            case (UndefinedValue undefined, _):
                throw undefined.Fail();
            case (_, UndefinedValue undefined):
                throw undefined.Fail();
            default:
                return Operators.IsNumber(x) && Operators.IsNumber(y)
                    ? CompareNumbers(x, y)
                    : throw JinjaException.Runtime($"no order between values of type {x.TypeName} and {y.TypeName}");
        }
    }

    /// <summary>Sorts without changing the order of equal elements.</summary>
    /// <param name="items">The elements.</param>
    /// <param name="key">What to compare.</param>
    /// <param name="isReversed">True puts the greatest first.</param>
    public List<Value> Sort(IEnumerable<Value> items, Func<Value, Value> key, bool isReversed)
    {
        (Value Key, Value Item)[] sorted = [.. items.Select(item => (key(item), item))];
        (Value Key, Value Item)[] other = new (Value, Value)[sorted.Length];
        for (int width = 1; width < sorted.Length; width *= 2)
        {
            for (int start = 0; start < sorted.Length; start += 2 * width)
            {
                Merge(sorted, other, start, Math.Min(start + width, sorted.Length), Math.Min(start + 2 * width, sorted.Length), isReversed);
            }

            (sorted, other) = (other, sorted);
        }

        return [.. sorted.Select(pair => pair.Item)];
    }

    // UTF-16 puts surrogates below U+E000 to U+FFFF; code points do not.
    private static int CompareText(string a, string b)
    {
        int common = a.AsSpan().CommonPrefixLength(b);
        if (common == a.Length || common == b.Length)
        {
            return a.Length.CompareTo(b.Length);
        }

        return (char.IsSurrogate(a[common]), char.IsSurrogate(b[common])) switch
        {
            (true, false) => 1,
            (false, true) => -1,
            _ => a[common].CompareTo(b[common]),
        };
    }

    // Null where one of them is not a number.
    private static int? CompareNumbers(Value x, Value y)
    {
        bool isWholeX = Operators.TryInteger(x, out BigInteger a), isWholeY = Operators.TryInteger(y, out BigInteger b);
        if (isWholeX && isWholeY)
        {
            return a.CompareTo(b);
        }

        if (isWholeX)
        {
            return -CompareNumbers(y, x);
        }

        double number = ((FloatValue)x).Number;
        if (double.IsNaN(number) || y is FloatValue { Number: double.NaN })
        {
            return null;
        }

        return isWholeY && double.IsFinite(number)
            ? CompareWithWhole(number, b)
            : number.CompareTo(isWholeY ? 0 : ((FloatValue)y).Number);
    }

    private static int CompareWithWhole(double number, BigInteger whole)
    {
        int order = new BigInteger(Math.Floor(number)).CompareTo(whole);
        return order != 0 ? order : number > Math.Floor(number) ? 1 : 0;
    }

    private static int HashFloat(double number) =>
        double.IsFinite(number) && Math.Floor(number) == number ? new BigInteger(number).GetHashCode() : number.GetHashCode();

    private static bool EqualRanges(RangeValue a, RangeValue b) =>
        a.Length == b.Length && (a.Length == 0 || (a.Start == b.Start && (a.Length == 1 || a.Step == b.Step)));

    private bool EqualItems(SequenceValue a, SequenceValue b)
    {
        if (a.Items.Count != b.Items.Count)
        {
            return false;
        }

        meter.Enter();
        for (int i = 0; i < a.Items.Count; i++)
        {
            if (!Equals(a.Items[i], b.Items[i]))
            {
                meter.Leave();
                return false;
            }
        }

        meter.Leave();
        return true;
    }

    private bool EqualEntries(DictValue a, DictValue b)
    {
        if (a.Entries.Count != b.Entries.Count)
        {
            return false;
        }

        meter.Enter();
        bool isEqual = a.Entries.All(entry => b.TryGet(entry.Key, out Value? value) && Equals(entry.Value, value));
        meter.Leave();
        return isEqual;
    }

    private int HashItems(TupleValue tuple)
    {
        meter.Enter();
        HashCode hash = default;
        foreach (Value item in tuple.Items)
        {
            hash.Add(GetHashCode(item));
        }

        meter.Leave();
        return hash.ToHashCode();
    }

    private int? CompareItems(SequenceValue a, SequenceValue b)
    {
        meter.Enter();
        int common = Math.Min(a.Items.Count, b.Items.Count), i = 0;
        while (i < common && Equals(a.Items[i], b.Items[i]))
        {
            i++;
        }

        int? order = i < common ? Compare(a.Items[i], b.Items[i]) : a.Items.Count.CompareTo(b.Items.Count);
        meter.Leave();
        return order;
    }

    private void Merge((Value Key, Value Item)[] from, (Value Key, Value Item)[] to, int left, int middle, int end, bool isReversed)
    {
        int right = middle;
        for (int i = left; i < end; i++)
        {
            bool takesRight = left >= middle || (right < end && IsBefore(from[right].Key, from[left].Key, isReversed));
            to[i] = takesRight ? from[right++] : from[left++];
        }
    }

    private bool IsBefore(Value a, Value b, bool isReversed) => (isReversed ? Compare(b, a) : Compare(a, b)) < 0;
}
