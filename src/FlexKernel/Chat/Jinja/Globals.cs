namespace FlexKernel.Chat.Jinja;

/// <summary>The functions that every template has.</summary>
internal static class Globals
{
    private static readonly string[] Words = ("lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
        + "magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat").Split(' ');

    private static readonly Dictionary<string, FunctionValue> Functions = new List<FunctionValue>
    {
        new("raise_exception", RaiseException),
        new("strftime_now", StrftimeNow),
        new("namespace", MakeNamespace),
        new("dict", MakeDict),
        new("range", MakeRange),
        new("cycler", MakeCycler),
        new("joiner", (_, arguments) => new JoinerValue(arguments.Bind("joiner", 0, ["sep"])[0] ?? TextValue.Of(", "))),
        new("lipsum", Lipsum),
    }.ToDictionary(function => function.Name);

    public static Value? Find(string name) => Functions.GetValueOrDefault(name);

    private static Value RaiseException(Machine machine, Arguments arguments)
    {
        Value message = arguments.Bind("raise_exception", 1, ["message"])[0]!;
        throw new JinjaException(ChatTemplateError.Raised, PythonText.Str(message, machine.Meter).Text);
    }

    private static TextValue StrftimeNow(Machine machine, Arguments arguments)
    {
        TextValue format = Arguments.Text(arguments.Bind("strftime_now", 1, ["format"])[0]!, "strftime_now()");
        machine.Meter.Charge(format.Text.Length * 4L);
        Origin origin = format.Text.Length > 0 ? format.OriginAt(0) : Origin.Template;
        return TextValue.Of(Strftime.Format(format.Text, machine.Clock.GetLocalNow()), origin);
    }

    private static NamespaceValue MakeNamespace(Machine machine, Arguments arguments)
    {
        NamespaceValue names = new(machine.Comparer);
        foreach ((Value name, Value value) in MakeDict(machine, arguments).Entries)
        {
            names.Attributes.Set(name, value);
        }

        return names;
    }

    private static DictValue MakeDict(Machine machine, Arguments arguments)
    {
        IEnumerable<KeyValuePair<Value, Value>> entries = arguments.Positional switch
        {
            [] => [],
            [DictValue dict] => dict.Entries,
            [Value pairs] => pairs.Iterate(machine.Meter).Select(pair => Pair(machine.Elements(pair))),
            _ => throw JinjaException.Runtime("dict expected at most 1 argument"),
        };
        return machine.Dict(entries.Concat(arguments.Named.Select(entry => KeyValuePair.Create<Value, Value>(TextValue.Of(entry.Key), entry.Value))));
    }

    private static KeyValuePair<Value, Value> Pair(List<Value> items) => items.Count == 2
        ? KeyValuePair.Create(items[0], items[1])
        : throw JinjaException.Runtime($"dictionary update sequence element has length {items.Count}; 2 is required");

    private static RangeValue MakeRange(Machine machine, Arguments arguments)
    {
        Value?[] bounds = arguments.Bind("range", 1, ["start", "stop", "step"]);
        int first = Arguments.Int(bounds[0]!);
        (int start, int stop) = bounds[1] is null ? (0, first) : (first, Arguments.Int(bounds[1]!));
        int step = Arguments.Int(bounds[2], 1);
        return step != 0 ? new RangeValue(start, stop, step) : throw JinjaException.Runtime("range() arg 3 must not be zero");
    }

    private static CyclerValue MakeCycler(Machine machine, Arguments arguments) => arguments.Positional.Count > 0
        ? new CyclerValue(arguments.Positional)
        : throw JinjaException.Runtime("at least one item has to be provided");

    // Random filler text, as the original gives: paragraphs of words in sentences.
    private static TextValue Lipsum(Machine machine, Arguments arguments)
    {
        Value?[] bound = arguments.Bind("lipsum", 0, ["n", "html", "min", "max"]);
        int paragraphs = Arguments.Int(bound[0], 5), fewest = Arguments.Int(bound[2], 20), most = Arguments.Int(bound[3], 100);
        bool isHtml = bound[1]?.IsTrue ?? true;
        if (fewest >= most || fewest < 0)
        {
            throw JinjaException.Runtime("empty range of words");
        }

        TextBuilder text = new(machine.Meter);
        for (int paragraph = 0; paragraph < paragraphs; paragraph++)
        {
            text.Append(paragraph == 0 ? "" : isHtml ? "\n" : "\n\n").Append(isHtml ? "<p>" : "");
            int words = Random.Shared.Next(fewest, most);
            machine.Meter.ChargeElements(words);
            for (int word = 0, sentence = 0; word < words; word++, sentence++)
            {
                bool isFirst = sentence == 0, isLast = word == words - 1 || (sentence > 5 && Random.Shared.Next(8) == 0);
                string chosen = Words[Random.Shared.Next(Words.Length)];
                text.Append(word == 0 ? "" : " ").Append(isFirst ? char.ToUpperInvariant(chosen[0]) + chosen[1..] : chosen).Append(isLast ? "." : "");
                sentence = isLast ? -1 : sentence;
            }

            text.Append(isHtml ? "</p>" : "");
        }

        return text.ToText().AsMarkup(isHtml);
    }
}
