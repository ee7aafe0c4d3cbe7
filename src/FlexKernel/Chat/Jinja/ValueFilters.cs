namespace FlexKernel.Chat.Jinja;

/// <summary>Filters for values of all types.</summary>
internal static class ValueFilters
{
    private static readonly TextValue Comma = TextValue.Of(","), CommaSpace = TextValue.Of(", "), Colon = TextValue.Of(": ");

    public static Dictionary<string, Filter> All { get; } = new()
    {
        ["attr"] = Filters.Of("attr", 1, ["name"], Attribute),
        ["d"] = Filters.Of("default", 0, ["default_value", "boolean"], Default),
        ["default"] = Filters.Of("default", 0, ["default_value", "boolean"], Default),
        ["pprint"] = Filters.Of("pprint", (machine, value) => PrettyText.Write(value, machine)),
        ["tojson"] = Filters.Of("tojson", 0, ["ensure_ascii", "indent", "separators", "sort_keys"], ToJson),
    };

    private static Value Attribute(Machine machine, Value value, Value?[] a)
    {
        TextValue name = Arguments.Text(a[0]!, "attr");
        return value is UndefinedValue undefined
            ? throw undefined.Fail()
            : Members.OwnAttribute(value, name.Text, machine) ?? UndefinedValue.Member(value, name.Text);
    }

    private static Value Default(Machine machine, Value value, Value?[] a) =>
        value is UndefinedValue || (Arguments.IsTrue(a[1]) && !value.IsTrue) ? a[0] ?? TextValue.Empty : value;

    private static TextValue ToJson(Machine machine, Value value, Value?[] a)
    {
        TextValue? indent = Arguments.OrNull(a[1]) switch
        {
            null => null,
            TextValue text => text,
            Value width => new TextBuilder(machine.Meter).Repeat(TextValue.Of(" "), Arguments.Int(width)).ToText(),
        };
        TextValue items = indent is null ? CommaSpace : Comma, keys = Colon;
        if (Arguments.OrNull(a[2]) is Value separators)
        {
            List<Value> pair = machine.Elements(separators);
            (items, keys) = pair is [TextValue first, TextValue second]
                ? (first, second)
                : throw JinjaException.Runtime("separators are two strings");
        }

        return new JsonText(machine, Arguments.IsTrue(a[0]), indent, items, keys, Arguments.IsTrue(a[3])).Write(value);
    }
}
