using System.Globalization;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>str</c> and <c>repr</c>.</summary>
internal static class PythonText
{
    /// <summary>What printing a value gives.</summary>
    public static TextValue Str(Value value, Meter meter) => value switch
    {
        TextValue text => text,
        UndefinedValue => TextValue.Empty,
        _ => Repr(value, meter),
    };

    /// <summary>What a value looks like within a container.</summary>
    public static TextValue Repr(Value value, Meter meter)
    {
        TextBuilder text = new(meter);
        Write(value, text, meter);
        return text.ToText();
    }

    private static void Write(Value value, TextBuilder text, Meter meter)
    {
        switch (value)
        {
            case NoneValue:
                text.Append("None");
                break;
            case BoolValue boolean:
                text.Append(boolean.IsTrue ? "True" : "False");
                break;
            case IntValue whole:
                text.Append(whole.Number.ToString(CultureInfo.InvariantCulture));
                break;
            case FloatValue number:
                text.Append(FloatText.Repr(number.Number));
                break;
            case TextValue quoted:
                WriteQuoted(quoted, text);
                break;
            case UndefinedValue:
                text.Append("Undefined");
                break;
            default:
                meter.Enter();
                WriteContainer(value, text, meter);
                meter.Leave();
                break;
        }
    }

    private static void WriteContainer(Value value, TextBuilder text, Meter meter)
    {
        switch (value)
        {
            case ListValue list:
                WriteItems(list.Items, text, "[", "]", meter);
                break;
            case TupleValue tuple:
                WriteItems(tuple.Items, text, "(", tuple.Items.Count == 1 ? ",)" : ")", meter);
                break;
            case DictValue dict:
                WriteEntries(dict, text, meter);
                break;
            case DictViewValue view:
                WriteItems(view.Iterate(meter), text, view.TypeName + "([", "])", meter);
                break;
            case RangeValue range:
                text.Append(range.Step == 1 ? $"range({range.Start}, {range.Stop})" : $"range({range.Start}, {range.Stop}, {range.Step})");
                break;
            case NamespaceValue names:
                text.Append("<Namespace ");
                WriteEntries(names.Attributes, text, meter);
                text.Append(">");
                break;
            case LoopValue loop:
                text.Append($"<LoopContext {loop.Index0 + 1}/{loop.Count}>");
                break;
            case MacroValue macro:
                text.Append(macro.Name is null ? "<Macro anonymous>" : $"<Macro '{macro.Name}'>");
                break;
            default:
                text.Append($"<{value.TypeName} object>");
                break;
        }
    }

    private static void WriteItems(IEnumerable<Value> items, TextBuilder text, string open, string close, Meter meter)
    {
        text.Append(open);
        bool isFirst = true;
        foreach (Value item in items)
        {
            text.Append(isFirst ? "" : ", ");
            Write(item, text, meter);
            isFirst = false;
        }

        text.Append(close);
    }

    private static void WriteEntries(DictValue dict, TextBuilder text, Meter meter)
    {
        text.Append("{");
        bool isFirst = true;
        foreach ((Value key, Value value) in dict.Entries)
        {
            text.Append(isFirst ? "" : ", ");
            Write(key, text, meter);
            text.Append(": ");
            Write(value, text, meter);
            isFirst = false;
        }

        text.Append("}");
    }

    private static void WriteQuoted(TextValue value, TextBuilder text)
    {
        string quote = value.Text.Contains('\'') && !value.Text.Contains('"') ? "\"" : "'";
        text.Append(value.IsMarkup ? "Markup(" : "").Append(quote);
        int done = 0;
        for (int i = 0; i < value.Text.Length;)
        {
            Rune.DecodeFromUtf16(value.Text.AsSpan(i), out Rune rune, out int units);
            string? escape = Escape(rune, value.Text[i], quote[0]);
            if (escape is not null)
            {
                text.Append(value, done, i).Append(escape, value.OriginAt(i));
                done = i + units;
            }

            i += units;
        }

        text.Append(value, done, value.Text.Length).Append(quote).Append(value.IsMarkup ? ")" : "");
    }

    private static string? Escape(Rune rune, char unit, char quote) => unit switch
    {
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        _ when unit == quote => "\\" + quote,
        _ when char.IsSurrogate(unit) && rune == Rune.ReplacementChar => $"\\u{(int)unit:x4}",
        _ when PythonCharacters.IsPrintable(rune) => null,
        _ => rune.Value switch
        {
            < 0x100 => $"\\x{rune.Value:x2}",
            < 0x10000 => $"\\u{rune.Value:x4}",
            _ => $"\\U{rune.Value:x8}",
        },
    };
}
