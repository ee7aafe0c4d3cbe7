using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Filters that make texts.</summary>
internal static class TextFilters
{
    private const int TruncationLeeway = 5;

    public static Dictionary<string, Filter> All { get; } = new()
    {
        ["capitalize"] = OfText("capitalize", Casing.Capitalize),
        ["center"] = Filters.Of("center", 0, ["width"], (machine, value, a) =>
            StringMethods.Center(Soft(value, machine), Arguments.Int(a[0], 80), TextValue.Of(" "), machine.Meter)),
        ["e"] = OfText("escape", Markup.Escape),
        ["escape"] = OfText("escape", Markup.Escape),
        ["forceescape"] = OfText("forceescape", Markup.ForceEscape),
        ["format"] = Format,
        ["indent"] = Filters.Of("indent", 0, ["width", "first", "blank"], Indent),
        ["join"] = Filters.Of("join", 0, ["d", "attribute"], Join),
        ["lower"] = OfText("lower", Casing.Lower),
        ["replace"] = Filters.Of("replace", 2, ["old", "new", "count"], Replace),
        ["safe"] = OfText("safe", (text, _) => text.AsMarkup(true)),
        ["string"] = OfText("string", (text, _) => text),
        ["striptags"] = OfText("striptags", Markup.StripTags),
        ["title"] = OfText("title", Title),
        ["trim"] = Filters.Of("trim", 0, ["chars"], (machine, value, a) => StringMethods.Strip(
            Soft(value, machine), Arguments.OrNull(a[0]) is Value set ? Arguments.Text(set, "trim") : null, left: true, right: true, machine.Meter)),
        ["truncate"] = Filters.Of("truncate", 0, ["length", "killwords", "end", "leeway"], Truncate),
        ["upper"] = OfText("upper", Casing.Upper),
        ["urlencode"] = Filters.Of("urlencode", UrlEncode),
        ["wordwrap"] = Filters.Of("wordwrap", 0, ["width", "break_long_words", "wrapstring", "break_on_hyphens"], Wrap),
        ["xmlattr"] = Filters.Of("xmlattr", 0, ["autospace"], XmlAttributes),
    };

    /// <summary>A text, or the text of another value.</summary>
    public static TextValue Soft(Value value, Machine machine)
    {
        TextValue text = PythonText.Str(value, machine.Meter);
        machine.Meter.Charge(text.Text.Length);
        return text;
    }

    private static Filter OfText(string name, Func<TextValue, Meter, TextValue> body) =>
        Filters.Of(name, (machine, value) => body(Soft(value, machine), machine.Meter));

    private static Value Format(Machine machine, Value value, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
        {
            throw JinjaException.Runtime("can't handle positional and keyword arguments at the same time");
        }

        Value values = arguments.Named.Count > 0
            ? machine.Dict(arguments.Named.Select(entry => KeyValuePair.Create<Value, Value>(TextValue.Of(entry.Key), entry.Value)))
            : new TupleValue(arguments.Positional);
        return PercentFormat.Apply(Soft(value, machine), values, machine);
    }

    private static TextValue Indent(Machine machine, Value value, Value?[] a)
    {
        TextValue text = Arguments.Text(value, "indent");
        Meter meter = machine.Meter;
        TextValue indention = a[0] as TextValue ?? new TextBuilder(meter).Repeat(TextValue.Of(" "), Arguments.Int(a[0], 4)).ToText();
        indention = text.IsMarkup ? Markup.Escape(indention, meter) : indention;
        bool first = Arguments.IsTrue(a[1]), blank = Arguments.IsTrue(a[2]);
        List<TextValue> lines = StringMethods.SplitLines(new TextBuilder(meter).Append(text).Append("\n").ToText(), keepsEnds: false, meter);
        TextBuilder indented = new(meter);
        for (int i = 0; i < lines.Count; i++)
        {
            bool isIndented = i == 0 ? first : blank || lines[i].IsTrue;
            indented.Append(i == 0 ? "" : "\n").Append(isIndented ? indention : TextValue.Empty).Append(lines[i]);
        }

        return indented.ToText().AsMarkup(text.IsMarkup);
    }

    private static TextValue Join(Machine machine, Value value, Value?[] a)
    {
        IEnumerable<Value> items = value.Iterate(machine.Meter);
        if (Arguments.OrNull(a[1]) is Value attribute)
        {
            AttributePath path = AttributePath.Parse(attribute, machine);
            items = items.Select(item => path.Get(item, null));
        }

        TextValue separator = a[0] is null ? TextValue.Empty : PythonText.Str(a[0]!, machine.Meter).AsMarkup(false);
        return StringMethods.Join(separator, items.Select(item => PythonText.Str(item, machine.Meter)), machine.Meter);
    }

    private static TextValue Replace(Machine machine, Value value, Value?[] a) => StringMethods.Replace(
        Soft(value, machine).AsMarkup(false),
        PythonText.Str(a[0]!, machine.Meter).AsMarkup(false),
        PythonText.Str(a[1]!, machine.Meter).AsMarkup(false),
        Arguments.Int(Arguments.OrNull(a[2]), -1),
        machine.Meter);

    // A word begins after white space, a hyphen or an opening bracket.
    private static TextValue Title(TextValue text, Meter meter)
    {
        TextBuilder titled = new(meter);
        for (int i = 0; i < text.Text.Length;)
        {
            bool isBetween = IsBetweenWords(text.Text[i]);
            int end = i;
            while (end < text.Text.Length && IsBetweenWords(text.Text[end]) == isBetween)
            {
                end++;
            }

            TextValue part = text.Slice(i, end, meter).AsMarkup(false);
            int first = part.UnitAt(1);
            titled.Append(Casing.Upper(part.Slice(0, first, meter), meter)).Append(Casing.Lower(part.Slice(first, part.Text.Length, meter), meter));
            i = end;
        }

        return titled.ToText();
    }

    private static bool IsBetweenWords(char unit) => unit is '-' or '(' or '{' or '[' or '<' || PythonCharacters.IsSpace(unit);

    private static Value Truncate(Machine machine, Value value, Value?[] a)
    {
        TextValue text = value is UndefinedValue ? TextValue.Empty : Arguments.Text(value, "truncate"), end = a[2] is null ? TextValue.Of("...") : Arguments.Text(a[2]!, "truncate");
        int length = Arguments.Int(a[0], 255), leeway = Arguments.Int(Arguments.OrNull(a[3]), TruncationLeeway);
        if (length < end.Length || leeway < 0)
        {
            throw JinjaException.Runtime($"truncate expected length >= {end.Length} and leeway >= 0, got {length} and {leeway}");
        }

        if (text.Length <= (long)length + leeway)
        {
            return text;
        }

        TextValue cut = text.Slice(0, text.UnitAt(length - end.Length!.Value), machine.Meter);
        Value kept = Arguments.IsTrue(a[1]) ? cut : StringMethods.SplitFromEnd(cut, TextValue.Of(" "), 1, machine.Meter)[0];
        return Operators.Add(kept, end, machine);
    }

    private static TextValue UrlEncode(Machine machine, Value value)
    {
        if (value is TextValue or not { IsIterable: true })
        {
            return Quote(Soft(value, machine), isQuery: false, machine.Meter);
        }

        IEnumerable<Value> items = value is DictValue dict ? DictViewValue.Items(dict).Iterate(machine.Meter) : value.Iterate(machine.Meter);
        TextBuilder text = new(machine.Meter);
        foreach (Value item in items)
        {
            List<Value> pair = machine.Elements(item);
            if (pair.Count != 2)
            {
                throw JinjaException.Runtime("urlencode takes pairs of a key and a value");
            }

            text.Append(text.Length == 0 ? "" : "&").Append(Quote(Soft(pair[0], machine), isQuery: true, machine.Meter));
            text.Append("=").Append(Quote(Soft(pair[1], machine), isQuery: true, machine.Meter));
        }

        return text.ToText();
    }

    private static TextValue Quote(TextValue text, bool isQuery, Meter meter)
    {
        TextBuilder quoted = new(meter);
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0; i < text.Text.Length;)
        {
            Rune.DecodeFromUtf16(text.Text.AsSpan(i), out Rune rune, out int units);
            char unit = text.Text[i];
            Origin origin = text.OriginAt(i);
            i += units;
            if (char.IsAsciiLetterOrDigit(unit) || unit is '_' or '.' or '-' or '~' || (unit == '/' && !isQuery))
            {
                quoted.Append([unit], origin);
            }
            else if (unit == ' ' && isQuery)
            {
                quoted.Append("+", origin);
            }
            else
            {
                foreach (byte value in bytes[..rune.EncodeToUtf8(bytes)])
                {
                    quoted.Append($"%{value:X2}", origin);
                }
            }
        }

        return quoted.ToText();
    }

    private static TextValue Wrap(Machine machine, Value value, Value?[] a)
    {
        int width = Arguments.Int(a[0], 79);
        TextValue separator = Arguments.OrNull(a[2]) is Value given ? Arguments.Text(given, "wordwrap") : TextValue.Of("\n");
        bool breaksLong = a[1]?.IsTrue ?? true, breaksHyphens = a[3]?.IsTrue ?? true;
        IEnumerable<TextValue> lines = StringMethods.SplitLines(Arguments.Text(value, "wordwrap"), keepsEnds: false, machine.Meter);
        return StringMethods.Join(
            separator,
            lines.Select(line => StringMethods.Join(separator, WordWrap.Wrap(line, width, breaksLong, breaksHyphens, machine.Meter), machine.Meter)),
            machine.Meter);
    }

    private static TextValue XmlAttributes(Machine machine, Value value, Value?[] a)
    {
        DictValue dict = value as DictValue ?? throw JinjaException.Type("xmlattr", value);
        TextBuilder text = new(machine.Meter);
        foreach ((Value key, Value content) in dict.Entries.Where(entry => entry.Value is not (NoneValue or UndefinedValue)))
        {
            TextValue name = Arguments.Text(key, "xmlattr");
            if (name.Text.Any(unit => unit is ' ' or (>= '\t' and <= '\r') or '/' or '>' or '='))
            {
                throw JinjaException.Runtime("Invalid character in attribute name");
            }

            text.Append(text.Length > 0 || (a[0]?.IsTrue ?? true) ? " " : "").Append(Markup.Escape(name, machine.Meter));
            text.Append("=\"").Append(Markup.Escape(PythonText.Str(content, machine.Meter), machine.Meter)).Append("\"");
        }

        return text.ToText();
    }
}
