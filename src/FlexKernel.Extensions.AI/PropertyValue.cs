using System.Globalization;
using System.Text.Json;

namespace FlexKernel.Extensions.AI;

/// <summary>Reads a value of <c>AdditionalProperties</c>, which may have been set in code or have come through JSON.</summary>
internal static class PropertyValue
{
    /// <exception cref="ArgumentException">The value is no list of names.</exception>
    public static string[] Names(string key, object value) => value switch
    {
        string text => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        IEnumerable<string> names => [.. names],
        JsonElement { ValueKind: JsonValueKind.String } text => Names(key, text.GetString()!),
        JsonElement { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(one => one.ValueKind == JsonValueKind.String) =>
            [.. list.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw Unusable(key, "a list of names", value),
    };

    /// <exception cref="ArgumentException">The value is no number.</exception>
    public static float Number(string key, object value) =>
        float.TryParse(Text(value), NumberStyles.Float, CultureInfo.InvariantCulture, out float number)
            ? number
            : throw Unusable(key, "a number", value);

    /// <exception cref="ArgumentException">The value is no whole number of 32 bits.</exception>
    public static int Integer(string key, object value) =>
        int.TryParse(Text(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw Unusable(key, "a whole number", value);

    /// <exception cref="ArgumentException">The value is neither true nor false.</exception>
    public static bool Flag(string key, object value) =>
        bool.TryParse(Text(value), out bool flag) ? flag : throw Unusable(key, "true or false", value);

    /// <exception cref="ArgumentException">The value is no name of the enumeration.</exception>
    public static T Choice<T>(string key, object value)
        where T : struct, Enum
    {
        if (value is T choice)
        {
            return choice;
        }

        string? text = Text(value);
        foreach (T one in Enum.GetValues<T>())
        {
            if (string.Equals(one.ToString(), text, StringComparison.OrdinalIgnoreCase))
            {
                return one;
            }
        }

        throw Unusable(key, "one of " + string.Join(", ", Enum.GetNames<T>()), value);
    }

    private static string? Text(object value) => value switch
    {
        string text => text,
        bool flag => flag ? bool.TrueString : bool.FalseString,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString(),
        JsonElement json => json.GetRawText(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => null,
    };

    private static ArgumentException Unusable(string key, string expected, object value)
    {
        string found = Text(value) is { } text ? $"'{text}'" : value.GetType().Name;
        return new ArgumentException($"AdditionalProperties[\"{key}\"]: expected {expected}, found {found}.", nameof(value));
    }
}
