using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Attributes and elements: a fixed list of methods per type, nothing of the host language.</summary>
internal static class Members
{
    private static readonly HashSet<string> Changing =
    [
        "list.append", "list.clear", "list.extend", "list.insert", "list.pop", "list.remove", "list.reverse", "list.sort",
        "dict.clear", "dict.pop", "dict.popitem", "dict.setdefault", "dict.update",
    ];

    /// <summary><c>value.name</c>: a method or attribute, else the entry of that name.</summary>
    public static Value Attribute(Value value, string name, Machine machine)
    {
        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        return OwnAttribute(value, name, machine) ?? Entry(value, TextValue.Of(name), machine) ?? UndefinedValue.Member(value, name);
    }

    /// <summary><c>value[key]</c>: an element, else the method or attribute of that name.</summary>
    public static Value Item(Value value, Value key, Machine machine)
    {
        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        Value? found = Entry(value, key, machine);
        if (found is not null)
        {
            return found;
        }

        string name = key is TextValue text ? text.Text : PythonText.Repr(key, machine.Meter).Text;
        return (key is TextValue ? OwnAttribute(value, name, machine) : null) ?? UndefinedValue.Member(value, name);
    }

    /// <summary>A method or attribute, without regard to entries; null where there is none.</summary>
    public static Value? OwnAttribute(Value value, string name, Machine machine)
    {
        bool isInternal = name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal);
        if (isInternal || Changing.Contains($"{value.TypeName}.{name}"))
        {
            return UndefinedValue.Unsafe(value, name);
        }

        return value switch
        {
            TextValue text => StringMembers.Find(text, name),
            DictValue dict => OfDict(dict, name),
            GroupValue group when name is "grouper" or "list" => group.Items[name == "list" ? 1 : 0],
            SequenceValue sequence => OfSequence(sequence, name),
            LoopValue loop => loop.Find(name),
            NamespaceValue names => names.Attributes.TryGet(TextValue.Of(name), out Value? attribute) ? attribute : null,
            CyclerValue cycler => OfCycler(cycler, name),
            MacroValue macro => OfMacro(macro, name),
            FloatValue number when name == "is_integer" => Method(name, [], (_, _) => BoolValue.Of(Math.Floor(number.Number) == number.Number)),
            IntValue whole when name == "bit_length" => Method(name, [], (_, _) => IntValue.Of(BigInteger.Abs(whole.Number).GetBitLength())),
            _ => null,
        };
    }

    /// <summary><c>value[start:stop:step]</c>; unlike an element it must exist.</summary>
    public static Value Slice(Value value, Value? start, Value? stop, Value? step, Machine machine)
    {
        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        if (value is not (TextValue or SequenceValue or RangeValue) || !AreIndices(start, stop, step))
        {
            throw JinjaException.Runtime($"'{value.TypeName}' object has no such slice");
        }

        int stride = Arguments.Int(Arguments.OrNull(step), 1);
        if (stride == 0)
        {
            throw JinjaException.Runtime("slice step cannot be zero");
        }

        int length = value.Length!.Value;
        int first = Bound(start, stride > 0 ? 0 : length - 1, length, stride);
        int end = Bound(stop, stride > 0 ? length : -1, length, stride);
        long count = stride > 0 ? ((long)end - first + stride - 1) / stride : ((long)first - end - stride - 1) / -(long)stride;
        return Take(value, first, stride, (int)Math.Max(count, 0), machine.Meter);
    }

    private static bool AreIndices(params ReadOnlySpan<Value?> values)
    {
        foreach (Value? value in values)
        {
            if (value is not (null or NoneValue or IntValue or BoolValue))
            {
                return false;
            }
        }

        return true;
    }

    private static int Bound(Value? value, int otherwise, int length, int stride)
    {
        if (Arguments.OrNull(value) is null)
        {
            return otherwise;
        }

        long bound = Arguments.Int(value!);
        bound = bound < 0 ? bound + length : bound;
        return stride > 0 ? (int)Math.Clamp(bound, 0, length) : (int)Math.Clamp(bound, -1, length - 1);
    }

    private static Value Take(Value value, int first, int stride, int count, Meter meter)
    {
        if (value is TextValue whole && stride == 1)
        {
            return whole.Slice(whole.UnitAt(first), whole.UnitAt(first + count), meter);
        }

        if (value is TextValue text)
        {
            TextBuilder taken = new(meter);
            for (int i = 0; i < count; i++)
            {
                int at = first + i * stride;
                taken.Append(text, text.UnitAt(at), text.UnitAt(at + 1));
            }

            return taken.ToText().AsMarkup(text.IsMarkup);
        }

        if (value is RangeValue range)
        {
            long start = range.Start + first * range.Step, step = range.Step * stride;
            return new RangeValue(start, start + count * step, step);
        }

        meter.ChargeElements(count);
        var sequence = (SequenceValue)value;
        return sequence.With([.. Enumerable.Range(0, count).Select(i => sequence.Items[first + i * stride])]);
    }

    // Null where the key does not fit the value or is not in it.
    private static Value? Entry(Value value, Value key, Machine machine)
    {
        switch (value)
        {
            case DictValue dict:
                return machine.Comparer.IsHashable(key) && dict.TryGet(key, out Value? found) ? found : null;
            case TextValue or SequenceValue or RangeValue when Operators.TryInteger(key, out BigInteger index):
                int length = value.Length!.Value;
                index = index.Sign < 0 ? index + length : index;
                if (index.Sign < 0 || index >= length)
                {
                    return null;
                }

                return value switch
                {
                    TextValue text => text.At((int)index, machine.Meter),
                    RangeValue range => range.At((int)index),
                    _ => ((SequenceValue)value).Items[(int)index],
                };
            default:
                return null;
        }
    }

    private static FunctionValue Method(string name, string[] parameters, Func<Machine, Value?[], Value> body, int required = 0) =>
        new(name, (machine, arguments) => body(machine, arguments.BindPositional(name, required, parameters)));

    private static FunctionValue? OfDict(DictValue dict, string name) => name switch
    {
        "keys" => Method(name, [], (_, _) => DictViewValue.Keys(dict)),
        "values" => Method(name, [], (_, _) => DictViewValue.Values(dict)),
        "items" => Method(name, [], (_, _) => DictViewValue.Items(dict)),
        "copy" => Method(name, [], (_, _) => dict),
        "get" => Method(name, ["key", "default"], (_, a) => dict.TryGet(a[0]!, out Value? value) ? value : a[1] ?? NoneValue.Instance, 1),
        _ => null,
    };

    private static FunctionValue? OfSequence(SequenceValue sequence, string name) => name switch
    {
        "count" => Method(name, ["value"], (machine, a) => IntValue.Of(sequence.Items.Count(item => machine.Comparer.Equals(item, a[0]))), 1),
        "index" => Method(name, ["value", "start", "stop"], (machine, a) => Index(sequence, a, machine), 1),
        "copy" when sequence is ListValue => Method(name, [], (_, _) => sequence),
        _ => null,
    };

    private static IntValue Index(SequenceValue sequence, Value?[] a, Machine machine)
    {
        int count = sequence.Items.Count;
        int start = Bound(a[1], 0, count, 1), stop = Bound(a[2], count, count, 1);
        for (int i = start; i < stop; i++)
        {
            if (machine.Comparer.Equals(sequence.Items[i], a[0]))
            {
                return IntValue.Of(i);
            }
        }

        throw JinjaException.Runtime("the element is not in the sequence");
    }

    private static Value? OfCycler(CyclerValue cycler, string name) => name switch
    {
        "current" => cycler.Current,
        "next" => Method(name, [], (_, _) => cycler.Next()),
        "reset" => Method(name, [], (_, _) => cycler.Reset()),
        _ => null,
    };

    private static Value? OfMacro(MacroValue macro, string name) => name switch
    {
        "name" => macro.Name is null ? NoneValue.Instance : TextValue.Of(macro.Name),
        "arguments" => new TupleValue([.. macro.Definition.Parameters.Select(parameter => TextValue.Of(parameter.Name))]),
        "catch_kwargs" => BoolValue.Of(macro.Definition.UsesNamedRest),
        "catch_varargs" => BoolValue.Of(macro.Definition.UsesPositionalRest),
        "caller" => BoolValue.Of(macro.Definition.UsesCaller),
        _ => null,
    };
}
