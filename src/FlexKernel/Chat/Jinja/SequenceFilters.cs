namespace FlexKernel.Chat.Jinja;

/// <summary>Filters that order, group and take elements.</summary>
internal static class SequenceFilters
{
    public static Dictionary<string, Filter> All { get; } = new()
    {
        ["batch"] = Filters.Of("batch", 1, ["linecount", "fill_with"], Batch),
        ["dictsort"] = Filters.Of("dictsort", 0, ["case_sensitive", "by", "reverse"], SortDict),
        ["first"] = Filters.Of("first", (machine, value) => First(value, machine)),
        ["groupby"] = Filters.Of("groupby", 1, ["attribute", "default", "case_sensitive"], GroupBy),
        ["items"] = Filters.Of("items", Items),
        ["last"] = Filters.Of("last", (machine, value) => First(Reversed(value, machine), machine)),
        ["list"] = Filters.Of("list", (machine, value) => new ListValue(machine.Elements(value))),
        ["max"] = Filters.Of("max", 0, ["case_sensitive", "attribute"], (machine, value, a) => Extreme(machine, value, a, isGreatest: true)),
        ["min"] = Filters.Of("min", 0, ["case_sensitive", "attribute"], (machine, value, a) => Extreme(machine, value, a, isGreatest: false)),
        ["random"] = Filters.Of("random", Random),
        ["reverse"] = Filters.Of("reverse", (machine, value) => value is TextValue text
            ? Members.Slice(text, null, null, IntValue.Of(-1), machine)
            : value is IteratorValue ? new ListValue([.. machine.Elements(value).AsEnumerable().Reverse()]) : Reversed(value, machine)),
        ["slice"] = Filters.Of("slice", 1, ["slices", "fill_with"], Slice),
        ["sort"] = Filters.Of("sort", 0, ["reverse", "case_sensitive", "attribute"], Sort),
        ["unique"] = Filters.Of("unique", 0, ["case_sensitive", "attribute"], Unique),
    };

    private static Value Random(Machine machine, Value value) => value is not (TextValue or SequenceValue or RangeValue)
        ? throw JinjaException.Type("random", value)
        : value.Length == 0 ? new UndefinedValue("No random item, sequence was empty.")
        : Members.Item(value, IntValue.Of(System.Random.Shared.Next(value.Length!.Value)), machine);

    private static Value First(Value value, Machine machine) =>
        value.Iterate(machine.Meter).FirstOrDefault() ?? new UndefinedValue("No first or last item, sequence was empty.");

    private static IteratorValue Reversed(Value value, Machine machine) => value is IteratorValue || !value.IsIterable
        ? throw JinjaException.Runtime($"'{value.TypeName}' object is not reversible")
        : new IteratorValue(machine.Elements(value).AsEnumerable().Reverse(), machine.Meter, "reversed");

    private static Value Lowered(Value value, Value? isCaseSensitive, Machine machine) =>
        value is TextValue text && !Arguments.IsTrue(isCaseSensitive) ? Casing.Lower(text, machine.Meter) : value;

    private static IteratorValue Batch(Machine machine, Value value, Value?[] a)
    {
        int count = Arguments.Int(a[0]!);
        return new IteratorValue(Lines(), machine.Meter);

        IEnumerable<Value> Lines()
        {
            List<Value> line = [];
            foreach (Value item in value.Iterate(machine.Meter))
            {
                if (line.Count == count)
                {
                    yield return new ListValue(line);
                    line = [];
                }

                line.Add(item);
            }

            if (line.Count > 0)
            {
                int missing = Arguments.OrNull(a[1]) is null ? 0 : Math.Max(count - line.Count, 0);
                machine.Meter.ChargeElements(missing);
                yield return new ListValue([.. line, .. Enumerable.Repeat(a[1]!, missing)]);
            }
        }
    }

    private static IteratorValue Slice(Machine machine, Value value, Value?[] a)
    {
        int count = Arguments.Int(a[0]!);
        return new IteratorValue(Columns(), machine.Meter);

        IEnumerable<Value> Columns()
        {
            List<Value> items = machine.Elements(value);
            int size = count == 0 ? throw JinjaException.Runtime("integer division or modulo by zero") : items.Count / count;
            int longer = items.Count % count, start = 0;
            for (int column = 0; column < count; column++)
            {
                int length = size + (column < longer ? 1 : 0);
                machine.Meter.ChargeElements(length + 1);
                bool isFilled = column >= longer && Arguments.OrNull(a[1]) is not null;
                yield return new ListValue([.. items.GetRange(start, length), .. isFilled ? [a[1]!] : Array.Empty<Value>()]);
                start += length;
            }
        }
    }

    private static ListValue SortDict(Machine machine, Value value, Value?[] a)
    {
        DictValue dict = value as DictValue ?? throw JinjaException.Type("dictsort", value);
        string by = a[1] is null ? "key" : Arguments.Text(a[1]!, "dictsort").Text;
        int place = by switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw JinjaException.Runtime("You can only sort by either \"key\" or \"value\""),
        };
        IEnumerable<Value> items = DictViewValue.Items(dict).Iterate(machine.Meter);
        return new ListValue(machine.Comparer.Sort(items, item => Lowered(((TupleValue)item).Items[place], a[0], machine), Arguments.Int(a[2], 0) != 0));
    }

    private static ListValue Sort(Machine machine, Value value, Value?[] a)
    {
        IReadOnlyList<AttributePath> paths = AttributePath.ParseMany(a[2], machine);
        return new ListValue(machine.Comparer.Sort(
            value.Iterate(machine.Meter),
            item => new ListValue([.. paths.Select(path => Lowered(path.Get(item, null), a[1], machine))]),
            Arguments.Int(a[0], 0) != 0));
    }

    private static ListValue GroupBy(Machine machine, Value value, Value?[] a)
    {
        AttributePath path = AttributePath.Parse(a[0]!, machine);
        Value? otherwise = Arguments.OrNull(a[1]);
        List<(Value Key, List<Value> Items)> groups = [];
        foreach (Value item in machine.Comparer.Sort(value.Iterate(machine.Meter), Key, isReversed: false))
        {
            Value key = Key(item);
            if (groups.Count == 0 || !machine.Comparer.Equals(groups[^1].Key, key))
            {
                groups.Add((key, []));
            }

            groups[^1].Items.Add(item);
        }

        return new ListValue([.. groups.Select(group => new GroupValue(path.Get(group.Items[0], otherwise), new ListValue(group.Items)))]);

        Value Key(Value item) => Lowered(path.Get(item, otherwise), a[2], machine);
    }

    private static IteratorValue Items(Machine machine, Value value) => value switch
    {
        UndefinedValue => new IteratorValue([], machine.Meter),
        DictValue dict => new IteratorValue(DictViewValue.Items(dict).Iterate(machine.Meter), machine.Meter),
        _ => throw JinjaException.Type("items", value),
    };

    private static Value Extreme(Machine machine, Value value, Value?[] a, bool isGreatest)
    {
        AttributePath path = AttributePath.Parse(a[1] ?? NoneValue.Instance, machine);
        Value? best = null, bestKey = null;
        foreach (Value item in value.Iterate(machine.Meter))
        {
            Value key = Lowered(path.Get(item, null), a[0], machine);
            if (bestKey is null || (isGreatest ? machine.Comparer.Compare(bestKey, key) : machine.Comparer.Compare(key, bestKey)) < 0)
            {
                (best, bestKey) = (item, key);
            }
        }

        return best ?? new UndefinedValue("No aggregated item, sequence was empty.");
    }

    private static IteratorValue Unique(Machine machine, Value value, Value?[] a)
    {
        AttributePath path = AttributePath.Parse(a[1] ?? NoneValue.Instance, machine);
        HashSet<Value> seen = new(machine.Comparer);
        return new IteratorValue(
            value.Iterate(machine.Meter).Where(item => seen.Add(Lowered(path.Get(item, null), a[0], machine))), machine.Meter);
    }
}
