using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Chat.Jinja;

/// <summary>Changes a value.</summary>
internal delegate Value Filter(Machine machine, Value value, Arguments arguments);

/// <summary>The filters, by name: a fixed list.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Filter> Named = new Dictionary<string, Filter>[]
    {
        TextFilters.All, NumberFilters.All, SequenceFilters.All, SelectionFilters.All, ValueFilters.All,
    }.SelectMany(filters => filters).ToDictionary(StringComparer.Ordinal);

    public static bool Exists(string name) => Named.ContainsKey(name);

    public static bool TryFind(string name, [NotNullWhen(true)] out Filter? filter) => Named.TryGetValue(name, out filter);

    /// <summary>Applies a filter whose name is only known now.</summary>
    public static Value Apply(string name, Machine machine, Value value, Arguments arguments) => TryFind(name, out Filter? filter)
        ? filter(machine, value, arguments)
        : throw JinjaException.Runtime($"No filter named '{name}' found.");

    /// <summary>A filter with named parameters; those that are not given are null.</summary>
    public static Filter Of(string name, int required, string[] parameters, Func<Machine, Value, Value?[], Value> body) =>
        (machine, value, arguments) => body(machine, value, arguments.Bind(name, required, parameters));

    /// <summary>A filter without parameters.</summary>
    public static Filter Of(string name, Func<Machine, Value, Value> body) => Of(name, 0, [], (machine, value, _) => body(machine, value));
}
