using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Chat.Jinja;

/// <summary>Tells whether something holds for a value.</summary>
internal delegate bool Test(Machine machine, Value value, Arguments arguments);

/// <summary>The tests, by name: a fixed list.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Test> Named = new(StringComparer.Ordinal)
    {
        ["boolean"] = Of("boolean", value => value is BoolValue),
        ["callable"] = Of("callable", value => value is CallableValue or UndefinedValue),
        ["defined"] = Of("defined", value => value is not UndefinedValue),
        ["divisibleby"] = With("divisibleby", (machine, value, number) => IsZero(Operators.Modulo(value, number, machine))),
        ["escaped"] = Of("escaped", value => value is TextValue { IsMarkup: true }),
        ["even"] = (machine, value, arguments) => IsZero(Halved("even", machine, value, arguments)),
        ["false"] = Of("false", value => value == BoolValue.False),
        ["filter"] = Of("filter", value => value is TextValue name && Filters.Exists(name.Text)),
        ["float"] = Of("float", value => value is FloatValue),
        ["in"] = With("in", (machine, value, container) => Operators.Contains(container, value, machine)),
        ["integer"] = Of("integer", value => value is IntValue),
        ["iterable"] = Of("iterable", value => value.IsIterable),
        ["lower"] = (machine, value, arguments) => StringMembers.IsLower(Text("lower", machine, value, arguments)),
        ["mapping"] = Of("mapping", value => value is DictValue),
        ["none"] = Of("none", value => value is NoneValue),
        ["number"] = Of("number", value => Operators.IsNumber(value)),
        ["odd"] = (machine, value, arguments) => machine.Comparer.Equals(Halved("odd", machine, value, arguments), IntValue.Of(1)),
        ["sameas"] = With("sameas", (_, value, other) => IsSame(value, other)),
        ["sequence"] = Of("sequence", value => value is TextValue or SequenceValue or DictValue or RangeValue or UndefinedValue),
        ["string"] = Of("string", value => value is TextValue),
        ["test"] = Of("test", value => value is TextValue name && Exists(name.Text)),
        ["true"] = Of("true", value => value == BoolValue.True),
        ["undefined"] = Of("undefined", value => value is UndefinedValue),
        ["upper"] = (machine, value, arguments) => StringMembers.IsUpper(Text("upper", machine, value, arguments)),
        ["=="] = Equal(true),
        ["eq"] = Equal(true),
        ["equalto"] = Equal(true),
        ["!="] = Equal(false),
        ["ne"] = Equal(false),
        [">"] = Order("gt", order => order > 0),
        ["gt"] = Order("gt", order => order > 0),
        ["greaterthan"] = Order("gt", order => order > 0),
        [">="] = Order("ge", order => order >= 0),
        ["ge"] = Order("ge", order => order >= 0),
        ["<"] = Order("lt", order => order < 0),
        ["lt"] = Order("lt", order => order < 0),
        ["lessthan"] = Order("lt", order => order < 0),
        ["<="] = Order("le", order => order <= 0),
        ["le"] = Order("le", order => order <= 0),
    };

    public static bool Exists(string name) => Named.ContainsKey(name);

    public static bool TryFind(string name, [NotNullWhen(true)] out Test? test) => Named.TryGetValue(name, out test);

    /// <summary>Applies a test whose name is only known now.</summary>
    public static bool Apply(string name, Machine machine, Value value, Arguments arguments) => TryFind(name, out Test? test)
        ? test(machine, value, arguments)
        : throw JinjaException.Runtime($"No test named '{name}' found.");

    /// <summary>Whether two values are one object; small numbers and texts are when they are equal.</summary>
    private static bool IsSame(Value value, Value other) => ReferenceEquals(value, other)
        || (value is IntValue a && other is IntValue b && a.Number == b.Number)
        || (value is TextValue x && other is TextValue y && x.Text == y.Text)
        || (value is TupleValue { Items.Count: 0 } && other is TupleValue { Items.Count: 0 });

    private static Test Of(string name, Func<Value, bool> test) => (_, value, arguments) =>
    {
        arguments.Bind(name, 0, []);
        return test(value);
    };

    private static Test With(string name, Func<Machine, Value, Value, bool> test) =>
        (machine, value, arguments) => test(machine, value, arguments.Bind(name, 1, ["other"])[0]!);

    private static Test Equal(bool expected) => With("eq", (machine, value, other) => machine.Comparer.Equals(value, other) == expected);

    private static Test Order(string name, Func<int?, bool> test) => With(name, (machine, value, other) => test(machine.Comparer.Compare(value, other)));

    private static bool IsZero(Value value) => Operators.IsNumber(value) && !value.IsTrue;

    private static Value Halved(string name, Machine machine, Value value, Arguments arguments)
    {
        arguments.Bind(name, 0, []);
        return Operators.Modulo(value, IntValue.Of(2), machine);
    }

    private static string Text(string name, Machine machine, Value value, Arguments arguments)
    {
        arguments.Bind(name, 0, []);
        return TextFilters.Soft(value, machine).Text;
    }
}
