using System.Globalization;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>json.dumps</c>, which the filter <c>tojson</c> of chat templates is; nothing is escaped for HTML.</summary>
/// <param name="machine">Pays for the text.</param>
/// <param name="isAscii">True escapes all that is not ASCII.</param>
/// <param name="indent">What a level is indented by; null writes one line.</param>
/// <param name="itemSeparator">What stands between elements.</param>
/// <param name="keySeparator">What stands after a key.</param>
/// <param name="sortsKeys">True orders keys.</param>
internal sealed class JsonText(
    Machine machine, bool isAscii, TextValue? indent, TextValue itemSeparator, TextValue keySeparator, bool sortsKeys)
{
    private readonly TextBuilder _text = new(machine.Meter);

    public TextValue Write(Value value)
    {
        Write(value, 0);
        return _text.ToText();
    }

    private void Write(Value value, int level)
    {
        switch (value)
        {
            case TextValue text:
                WriteText(text);
                break;
            case NoneValue or BoolValue or IntValue or FloatValue:
                _text.Append(Scalar(value));
                break;
            case SequenceValue sequence:
                WriteAll(sequence.Items, "[", "]", level, item => Write(item, level + 1));
                break;
            case DictValue dict:
                WriteAll(Ordered(dict), "{", "}", level, entry => WriteEntry(entry, level + 1));
                break;
            default:
                throw JinjaException.Runtime($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private static string Scalar(Value value) => value switch
    {
        NoneValue => "null",
        BoolValue boolean => boolean.IsTrue ? "true" : "false",
        IntValue whole => whole.Number.ToString(CultureInfo.InvariantCulture),
        FloatValue { Number: double.NaN } => "NaN",
        FloatValue { Number: double.PositiveInfinity } => "Infinity",
        FloatValue { Number: double.NegativeInfinity } => "-Infinity",
        FloatValue number => FloatText.Repr(number.Number),
        _ => throw JinjaException.Runtime($"keys must be str, int, float, bool or None, not {value.TypeName}"),
    };

    private IReadOnlyList<KeyValuePair<Value, Value>> Ordered(DictValue dict)
    {
        if (!sortsKeys)
        {
            return dict.Entries;
        }

        IEnumerable<Value> keys = machine.Comparer.Sort(dict.Entries.Select(entry => entry.Key), key => key, isReversed: false);
        return [.. keys.Select(key => KeyValuePair.Create(key, dict.TryGet(key, out Value? value) ? value : NoneValue.Instance))];
    }

    private void WriteEntry(KeyValuePair<Value, Value> entry, int level)
    {
        WriteText(entry.Key as TextValue ?? TextValue.Of(Scalar(entry.Key)));
        _text.Append(keySeparator);
        Write(entry.Value, level);
    }

    private void WriteAll<T>(IReadOnlyList<T> items, string open, string close, int level, Action<T> write)
    {
        machine.Meter.Enter();
        _text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            _text.Append(i == 0 ? TextValue.Empty : itemSeparator);
            WriteLineBreak(level + 1);
            write(items[i]);
        }

        if (items.Count > 0)
        {
            WriteLineBreak(level);
        }

        _text.Append(close);
        machine.Meter.Leave();
    }

    private void WriteLineBreak(int level)
    {
        if (indent is not null)
        {
            _text.Append("\n").Repeat(indent, level);
        }
    }

    private void WriteText(TextValue value)
    {
        _text.Append("\"");
        int done = 0;
        for (int i = 0; i < value.Text.Length; i++)
        {
            if (Escape(value.Text[i]) is string escape)
            {
                _text.Append(value, done, i).Append(escape, value.OriginAt(i));
                done = i + 1;
            }
        }

        _text.Append(value, done, value.Text.Length).Append("\"");
    }

    private string? Escape(char unit) => unit switch
    {
        '"' => "\\\"",
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        '\b' => @"\b",
        '\f' => @"\f",
        < ' ' => $"\\u{(int)unit:x4}",
        _ => isAscii && unit > '~' ? $"\\u{(int)unit:x4}" : null,
    };
}
