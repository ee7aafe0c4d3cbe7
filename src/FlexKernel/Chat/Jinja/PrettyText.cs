namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>pprint</c>: keys in order, one element a line where a container does not fit into 80 columns; strings stay whole.</summary>
internal sealed class PrettyText
{
    private const int Width = 80;

    private readonly Machine _machine;
    private readonly TextBuilder _text;

    private PrettyText(Machine machine)
    {
        _machine = machine;
        _text = new TextBuilder(machine.Meter);
    }

    public static TextValue Write(Value value, Machine machine)
    {
        PrettyText pretty = new(machine);
        pretty.Write(pretty.Ordered(value), 0, 0);
        return pretty._text.ToText();
    }

    // Dictionaries in the order of their keys, at all levels.
    private Value Ordered(Value value)
    {
        _machine.Meter.Enter();
        Value ordered = value;
        if (value is DictValue dict)
        {
            IEnumerable<Value> keys = _machine.Comparer.Sort(dict.Entries.Select(entry => entry.Key), Key, isReversed: false);
            ordered = _machine.Dict(keys.Select(key => KeyValuePair.Create(key, dict.TryGet(key, out Value? found) ? Ordered(found) : key)));
        }
        else if (value is SequenceValue sequence)
        {
            _machine.Meter.ChargeElements(sequence.Items.Count);
            ordered = sequence.With([.. sequence.Items.Select(Ordered)]);
        }

        _machine.Meter.Leave();
        return ordered;
    }

    // Keys of types without an order between them go by the name of the type.
    private static TupleValue Key(Value key) => new([TextValue.Of(Operators.IsNumber(key) ? "" : key.TypeName), key is NoneValue ? IntValue.Of(0) : key]);

    private void Write(Value value, int indent, int after)
    {
        TextValue line = PythonText.Repr(value, _machine.Meter);
        if (line.Length <= Width - indent - after || value is not (SequenceValue or DictValue))
        {
            _text.Append(line);
            return;
        }

        _machine.Meter.Enter();
        if (value is DictValue dict)
        {
            WriteLines("{", "}", dict.Entries, indent, after, (entry, rest) =>
            {
                TextValue key = PythonText.Repr(entry.Key, _machine.Meter);
                _text.Append(key).Append(": ");
                Write(entry.Value, indent + key.Length!.Value + 3, rest);
            });
        }
        else
        {
            IReadOnlyList<Value> items = ((SequenceValue)value).Items;
            bool isList = value is ListValue;
            WriteLines(isList ? "[" : "(", isList ? "]" : items.Count == 1 ? ",)" : ")", items, indent, after, (item, rest) => Write(item, indent + 1, rest));
        }

        _machine.Meter.Leave();
    }

    private void WriteLines<T>(string open, string close, IReadOnlyList<T> items, int indent, int after, Action<T, int> write)
    {
        _text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
            {
                _text.Append(",\n").Repeat(TextValue.Of(" "), indent + 1);
            }

            write(items[i], i == items.Count - 1 ? after + 1 : 1);
        }

        _text.Append(close);
    }
}
