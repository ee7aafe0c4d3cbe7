using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>Changes members of a <c>config.json</c> and keeps the others as they are, known or not.</summary>
internal sealed class ConfigEditor
{
    private readonly JsonObject _members;
    private readonly string _file;

    /// <summary>Parses a configuration.</summary>
    /// <param name="content">UTF-8.</param>
    /// <param name="file">The name used in errors.</param>
    /// <exception cref="ModelConfigException">It is not a JSON object.</exception>
    public ConfigEditor(ReadOnlyMemory<byte> content, string file)
    {
        _file = file;
        using JsonDocument document = ConfigFile.Parse(content, file);
        _members = document.RootElement.ValueKind == JsonValueKind.Object
            ? Guarded(() => JsonObject.Create(document.RootElement.Clone())!)
            : throw new ModelConfigException(file, "", "a JSON object", ModelConfigException.Show(document.RootElement));
    }

    /// <summary>True when the key is there and not null.</summary>
    public bool Has(string key) => Guarded(() => _members[key] is not null);

    /// <summary>Gets an integer, or null when the key is absent or something else.</summary>
    public int? Integer(string key) =>
        Guarded(() => _members[key] is JsonValue value && value.TryGetValue(out int number) ? number : (int?)null);

    /// <summary>Gets a copy of an item of a list.</summary>
    public JsonNode Item(string key, int index) => Guarded(() => _members[key]!.AsArray()[index]!.DeepClone());

    /// <summary>Sets or adds a member.</summary>
    public void Set(string key, JsonNode value) => Guarded(() => _members[key] = value);

    /// <summary>Sets or adds a list.</summary>
    public void SetList(string key, IEnumerable<JsonNode> values) => Set(key, new JsonArray([.. values]));

    /// <summary>Removes a member if it is there.</summary>
    public void Remove(string key) => Guarded(() => _members.Remove(key));

    /// <summary>Writes the configuration.</summary>
    public byte[] ToUtf8()
    {
        using MemoryStream stream = new();
        JsonWriterOptions options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter writer = new(stream, options))
        {
            Guarded(() =>
            {
                _members.WriteTo(writer);
                return true;
            });
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    // Keys and texts are decoded when they are needed; an unpaired surrogate fails only then.
    private T Guarded<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            throw new ModelConfigException(_file, "", "valid Unicode text", e.Message, e);
        }
    }
}
