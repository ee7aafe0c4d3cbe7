using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>A JSON object of a configuration with typed look-ups that fail with file, key, expected and found.</summary>
/// <remarks>JSON null counts as absent.</remarks>
internal sealed class ConfigObject
{
    private readonly string _prefix;
    private readonly Dictionary<string, JsonElement> _values;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly HashSet<string> _overridden = new(StringComparer.Ordinal);

    public ConfigObject(string file, string prefix, JsonElement value)
    {
        File = file;
        _prefix = prefix;
        _values = Members(file, prefix, value);
    }

    public string File { get; }

    /// <summary>Replaces whole members; the text of a replaced one no longer matters.</summary>
    public void Merge(ConfigObject overrides)
    {
        foreach ((string key, JsonElement value) in overrides._values)
        {
            _values[key] = value;
            _overridden.Add(key);
        }
    }

    public IEnumerable<string> Keys => _values.Keys;

    public void Remove(string key) => _values.Remove(key);

    public bool WasRead(string key) => _read.Contains(key);

    /// <summary>The value of a key, or null when it is absent or JSON null.</summary>
    public JsonElement? Find(string key)
    {
        _read.Add(key);
        return _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public int Int32(string key, int minimum, int maximum) =>
        OptionalInt32(key, minimum, maximum) ?? throw Error(key, Range(minimum, maximum), "nothing");

    public int? OptionalInt32(string key, int minimum, int maximum) =>
        Find(key) is not { } value ? null : Int32(key, value, minimum, maximum);

    public double? OptionalNumber(string key, double minimum, double maximum)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= minimum && number <= maximum
            ? number
            : throw Error(key, string.Create(CultureInfo.InvariantCulture, $"a number from {minimum} to {maximum}"), value);
    }

    public bool Boolean(string key, bool absent) => Find(key) switch
    {
        null => absent,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Error(key, "true or false", value),
    };

    public string? OptionalString(string key) => Find(key) is { } value ? String(key, value) : null;

    public ConfigObject? OptionalObject(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigObject(File, $"{_prefix}{key}.", value),
        { } value => throw Error(key, "an object or null", value),
    };

    /// <summary>A list of integers; default when the key is absent.</summary>
    public ImmutableArray<int> Int32List(string key, int minimum, int maximum) =>
        List(key, v => Int32(key, v, minimum, maximum));

    /// <summary>A list of numbers; default when the key is absent.</summary>
    public ImmutableArray<double> NumberList(string key) =>
        List(key, v => v.ValueKind == JsonValueKind.Number && v.TryGetDouble(out double n) ? n : throw Error(key, "a list of numbers", v));

    /// <summary>A list of strings; default when the key is absent.</summary>
    public ImmutableArray<string> StringList(string key, int most = ModelLimits.Experts) => List(key, v => String(key, v), most);

    /// <summary>One integer or a list of them; empty when the key is absent.</summary>
    public ImmutableArray<int> Int32OrList(string key, int minimum, int maximum) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } => Int32List(key, minimum, maximum),
        { } value => [Int32(key, value, minimum, maximum)],
    };

    public ModelConfigException Error(string key, string expected, JsonElement found) =>
        Error(key, expected, ModelConfigException.Show(found));

    public ModelConfigException Error(string key, string expected, string found) =>
        new(File, _prefix + key, expected, _overridden.Contains(key) ? $"{found} (an override)" : found);

    private static string Range(int minimum, int maximum) => $"an integer from {minimum} to {maximum}";

    private int Int32(string key, JsonElement value, int minimum, int maximum) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= minimum && number <= maximum
            ? number
            : throw Error(key, Range(minimum, maximum), value);

    private string String(string key, JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Error(key, "a string", value);
        }
        catch (InvalidOperationException e)
        {
            // An escape such as "\ud800" is valid JSON and not a valid string.
            throw new ModelConfigException(File, _prefix + key, "valid Unicode text", ModelConfigException.Show(value), e);
        }
    }

    private ImmutableArray<T> List<T>(string key, Func<JsonElement, T> convert, int most = ModelLimits.Experts)
    {
        if (Find(key) is not { } value)
        {
            return default;
        }

        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > most)
        {
            throw Error(key, $"a list of at most {most} entries", value);
        }

        return [.. value.EnumerateArray().Select(convert)];
    }

    private static Dictionary<string, JsonElement> Members(string file, string prefix, JsonElement value)
    {
        string key = prefix.TrimEnd('.');
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw new ModelConfigException(file, key, "a JSON object", ModelConfigException.Show(value));
        }

        Dictionary<string, JsonElement> members = new(StringComparer.Ordinal);
        try
        {
            foreach (JsonProperty member in value.EnumerateObject())
            {
                members[member.Name] = member.Value;
            }
        }
        catch (InvalidOperationException e)
        {
            throw new ModelConfigException(file, key, "keys of valid Unicode text", "an unpaired surrogate", e);
        }

        return members;
    }
}
