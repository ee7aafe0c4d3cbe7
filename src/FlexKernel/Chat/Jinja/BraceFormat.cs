using System.Globalization;

namespace FlexKernel.Chat.Jinja;

/// <summary>Python's <c>str.format</c>; fields reach only what templates reach.</summary>
internal sealed class BraceFormat
{
    private const int MaxNesting = 3;

    private readonly TextValue _format;
    private readonly IReadOnlyList<Value> _positional;
    private readonly Func<TextValue, Value?> _named;
    private readonly Machine _machine;
    private int _next;
    private bool? _isNumbered;

    private BraceFormat(TextValue format, IReadOnlyList<Value> positional, Func<TextValue, Value?> named, Machine machine)
    {
        _format = format;
        _positional = positional;
        _named = named;
        _machine = machine;
    }

    public static TextValue Apply(TextValue format, Arguments arguments, Machine machine) => new BraceFormat(
        format, arguments.Positional, name => arguments.Named.FirstOrDefault(argument => argument.Key == name.Text).Value, machine).Run();

    public static TextValue ApplyMap(TextValue format, Value mapping, Machine machine) => mapping is DictValue dict
        ? new BraceFormat(format, [], name => dict.TryGet(name, out Value? value) ? value : null, machine).Run()
        : throw JinjaException.Type("format_map()", mapping);

    private TextValue Run() => Expand(_format, 1).AsMarkup(_format.IsMarkup);

    private TextValue Expand(TextValue format, int nesting)
    {
        if (nesting > MaxNesting)
        {
            throw JinjaException.Runtime("Max string recursion exceeded");
        }

        TextBuilder text = new(_machine.Meter);
        string units = format.Text;
        int done = 0;
        for (int i = 0; i < units.Length; i++)
        {
            if (units[i] is not ('{' or '}'))
            {
                continue;
            }

            text.Append(format, done, i);
            if (i + 1 < units.Length && units[i + 1] == units[i])
            {
                text.Append(format, i, i + 1);
                i++;
            }
            else
            {
                int end = units[i] == '{' ? FieldEnd(units, i) : throw JinjaException.Runtime("Single '}' encountered in format string");
                text.Append(Field(format.Slice(i + 1, end, _machine.Meter), nesting));
                i = end;
            }

            done = i + 1;
        }

        return text.Append(format, done, units.Length).ToText();
    }

    private static int FieldEnd(string units, int start)
    {
        int depth = 0;
        for (int i = start; i < units.Length; i++)
        {
            depth += units[i] == '{' ? 1 : units[i] == '}' ? -1 : 0;
            if (depth == 0)
            {
                return i;
            }
        }

        throw JinjaException.Runtime("expected '}' before end of string");
    }

    // name!conversion:specification
    private TextValue Field(TextValue field, int nesting)
    {
        string units = field.Text;
        int nameEnd = 0;
        for (bool isIndex = false; nameEnd < units.Length && (isIndex || units[nameEnd] is not ('!' or ':')); nameEnd++)
        {
            isIndex = units[nameEnd] == '[' || (isIndex && units[nameEnd] != ']');
        }

        Value value = Lookup(field.Slice(0, nameEnd, _machine.Meter));
        int specification = nameEnd;
        if (nameEnd < units.Length && units[nameEnd] == '!')
        {
            specification = nameEnd + 2;
            char conversion = nameEnd + 1 < units.Length ? units[nameEnd + 1] : ' ';
            value = conversion switch
            {
                's' => PythonText.Str(value, _machine.Meter),
                'r' or 'a' => PythonText.Repr(value, _machine.Meter),
                _ => throw JinjaException.Runtime($"Unknown conversion specifier '{conversion}'"),
            };
            if (specification < units.Length && units[specification] != ':')
            {
                throw JinjaException.Runtime("expected ':' after conversion specifier");
            }
        }

        TextValue format = field.Slice(Math.Min(specification + 1, units.Length), units.Length, _machine.Meter);
        TextValue written = FormatSpecification.Parse(Expand(format, nesting + 1)).Write(value, _machine);
        return _format.IsMarkup ? Markup.Escape(written, _machine.Meter) : written;
    }

    private Value Lookup(TextValue path)
    {
        string units = path.Text;
        int end = units.AsSpan().IndexOfAny('.', '[');
        end = end < 0 ? units.Length : end;
        Value value = First(path.Slice(0, end, _machine.Meter));
        for (int i = end; i < units.Length;)
        {
            bool isIndex = units[i] == '[';
            int next = isIndex ? units.IndexOf(']', i) : units.AsSpan(i + 1).IndexOfAny('.', '[') + i + 1;
            int stop = isIndex || next > i ? next : units.Length;
            if (stop <= i + 1)
            {
                throw JinjaException.Runtime("a format field has an empty or open part");
            }

            TextValue key = path.Slice(i + 1, stop, _machine.Meter);
            bool isPlace = int.TryParse(key.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int place);
            value = isIndex
                ? Members.Item(value, isPlace ? IntValue.Of(place) : key, _machine)
                : Members.Attribute(value, key.Text, _machine);
            i = isIndex ? stop + 1 : stop;
        }

        return value;
    }

    private Value First(TextValue name)
    {
        bool isNumber = int.TryParse(name.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int place);
        if (name.IsTrue && !isNumber)
        {
            return _named(name) ?? throw JinjaException.Runtime($"the format has no value for '{name.Text}'");
        }

        if (_isNumbered is bool isNumbered && isNumbered != isNumber)
        {
            throw JinjaException.Runtime("a format cannot mix numbered and unnumbered fields");
        }

        _isNumbered = isNumber;
        place = isNumber ? place : _next++;
        return place < _positional.Count
            ? _positional[place]
            : throw JinjaException.Runtime($"the format has no positional argument {place}");
    }
}
