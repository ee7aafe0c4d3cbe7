using System.Globalization;

namespace FlexKernel.Chat.Jinja;

/// <summary>The argument <c>attribute</c> of filters: names and places with dots between them.</summary>
internal sealed class AttributePath
{
    private readonly IReadOnlyList<Value> _keys;
    private readonly Machine _machine;

    private AttributePath(IReadOnlyList<Value> keys, Machine machine)
    {
        _keys = keys;
        _machine = machine;
    }

    public static AttributePath Parse(Value path, Machine machine) =>
        new(path is TextValue text ? [.. text.Text.Split('.').Select(Key)] : path is NoneValue ? [] : [path], machine);

    /// <summary>Several paths with commas between them.</summary>
    public static IReadOnlyList<AttributePath> ParseMany(Value? path, Machine machine) => path is TextValue text
        ? [.. text.Text.Split(',').Select(part => Parse(TextValue.Of(part), machine))]
        : [Parse(path ?? NoneValue.Instance, machine)];

    /// <summary>What the path leads to.</summary>
    /// <param name="value">Where it begins.</param>
    /// <param name="otherwise">What stands for each part that does not exist; null for nothing.</param>
    public Value Get(Value value, Value? otherwise)
    {
        foreach (Value key in _keys)
        {
            value = Members.Item(value, key, _machine);
            value = value is UndefinedValue ? otherwise ?? value : value;
        }

        return value;
    }

    private static Value Key(string part) => part.Length > 0 && part.All(char.IsAsciiDigit)
        && int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int place)
        ? IntValue.Of(place)
        : TextValue.Of(part);
}
