namespace FlexKernel.Chat.Jinja;

/// <summary>Filters that apply a filter or test to each element, while the elements are taken.</summary>
internal static class SelectionFilters
{
    public static Dictionary<string, Filter> All { get; } = new()
    {
        ["map"] = Map,
        ["reject"] = (machine, value, arguments) => Select(machine, value, arguments, keeps: false, byAttribute: false),
        ["rejectattr"] = (machine, value, arguments) => Select(machine, value, arguments, keeps: false, byAttribute: true),
        ["select"] = (machine, value, arguments) => Select(machine, value, arguments, keeps: true, byAttribute: false),
        ["selectattr"] = (machine, value, arguments) => Select(machine, value, arguments, keeps: true, byAttribute: true),
    };

    private static IteratorValue Map(Machine machine, Value value, Arguments arguments)
    {
        return new IteratorValue(Mapped(), machine.Meter);

        IEnumerable<Value> Mapped()
        {
            if (!value.IsTrue)
            {
                yield break;
            }

            Func<Value, Value> map = Mapping(machine, arguments);
            foreach (Value item in value.Iterate(machine.Meter))
            {
                machine.Meter.Step(machine.Meter.Line);
                yield return map(item);
            }
        }
    }

    private static Func<Value, Value> Mapping(Machine machine, Arguments arguments)
    {
        if (arguments.Positional.Count == 0 && arguments.Named.Any(argument => argument.Key == "attribute"))
        {
            Value?[] bound = arguments.Bind("map", 0, ["attribute", "default"]);
            AttributePath path = AttributePath.Parse(bound[0]!, machine);
            return item => path.Get(item, Arguments.OrNull(bound[1]));
        }

        if (arguments.Positional.Count == 0)
        {
            throw JinjaException.Runtime("map requires a filter argument");
        }

        string name = Arguments.Text(arguments.Positional[0], "map").Text;
        Arguments rest = arguments with { Positional = [.. arguments.Positional.Skip(1)] };
        return item => Filters.Apply(name, machine, item, rest);
    }

    private static IteratorValue Select(Machine machine, Value value, Arguments arguments, bool keeps, bool byAttribute)
    {
        return new IteratorValue(Selected(), machine.Meter);

        IEnumerable<Value> Selected()
        {
            if (!value.IsTrue)
            {
                yield break;
            }

            Func<Value, bool> test = Test(machine, arguments, byAttribute);
            foreach (Value item in value.Iterate(machine.Meter))
            {
                machine.Meter.Step(machine.Meter.Line);
                if (test(item) == keeps)
                {
                    yield return item;
                }
            }
        }
    }

    private static Func<Value, bool> Test(Machine machine, Arguments arguments, bool byAttribute)
    {
        AttributePath? path = null;
        if (byAttribute)
        {
            path = arguments.Positional.Count > 0
                ? AttributePath.Parse(arguments.Positional[0], machine)
                : throw JinjaException.Runtime("Missing parameter for attribute name");
        }

        int taken = byAttribute ? 1 : 0;
        if (arguments.Positional.Count == taken)
        {
            return item => (path?.Get(item, null) ?? item).IsTrue;
        }

        string name = Arguments.Text(arguments.Positional[taken], "select").Text;
        Arguments rest = arguments with { Positional = [.. arguments.Positional.Skip(taken + 1)] };
        return item => Tests.Apply(name, machine, path?.Get(item, null) ?? item, rest);
    }
}
