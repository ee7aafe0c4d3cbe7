using System.Text.Json;
using System.Text.Unicode;

namespace FlexKernel.Text.Files;

/// <summary>A JSON value with its place, so that every error can name it.</summary>
internal readonly struct JsonNode
{
    private const int LongestQuote = 160;

    private readonly string _file;
    private readonly string _parent;
    private readonly string? _name;
    private readonly int _index;

    private JsonNode(string file, string parent, string? name, int index, JsonElement element) =>
        (_file, _parent, _name, _index, Element) = (file, parent, name, index, element);

    /// <summary>The value.</summary>
    public JsonElement Element { get; }

    /// <summary>True for <c>null</c>.</summary>
    public bool IsNull => Element.ValueKind == JsonValueKind.Null;

    // Built only when needed: a file has hundreds of thousands of values.
    private string Key => _name is null ? $"{_parent}[{_index}]" : _parent.Length == 0 ? Shorten(_name) : $"{_parent}.{Shorten(_name)}";

    /// <summary>Reads a file: at most <see cref="TokenizerLimits.MaxFileBytes"/>, no key twice, an object.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="file">Its name.</param>
    /// <param name="document">Receives what owns the memory.</param>
    /// <exception cref="TokenizerException">The file is too large or malformed.</exception>
    public static JsonNode ReadFile(Stream stream, string file, out JsonDocument document)
    {
        ReadOnlyMemory<byte> bytes = ReadBounded(stream, file);
        if (!Utf8.IsValid(bytes.Span))
        {
            throw new TokenizerException(file, "", "not valid UTF-8");
        }

        try
        {
            document = JsonDocument.Parse(
                bytes,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = TokenizerLimits.MaxJsonDepth });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second is what a key with an escape of a lone surrogate gives.
            throw new TokenizerException(file, "", $"not valid JSON: {e.Message}", e);
        }

        JsonNode root = new(file, "", "", 0, document.RootElement);
        root.Expect(JsonValueKind.Object);
        return root;
    }

    /// <summary>A text for an error message: in quotation marks, cut when it is long.</summary>
    public static string Quote(string text) => $"\"{Shorten(text)}\"";

    /// <summary>The value of a key that must be there.</summary>
    public JsonNode Required(string name) =>
        TryGet(name, out JsonNode value) ? value : throw Error($"the key {name} is missing");

    /// <summary>Finds the value of a key.</summary>
    public bool TryGet(string name, out JsonNode value)
    {
        Expect(JsonValueKind.Object);
        bool found = Element.TryGetProperty(name, out JsonElement element);
        value = new JsonNode(_file, Key, name, 0, element);
        return found;
    }

    /// <summary>The items of an array.</summary>
    public IEnumerable<JsonNode> Items()
    {
        Expect(JsonValueKind.Array);
        return Enumerate(_file, Key, Element);

        static IEnumerable<JsonNode> Enumerate(string file, string key, JsonElement array)
        {
            int index = 0;
            foreach (JsonElement item in array.EnumerateArray())
            {
                yield return new JsonNode(file, key, null, index++, item);
            }
        }
    }

    /// <summary>The keys and values of an object.</summary>
    public IEnumerable<(string Name, JsonNode Value)> Properties()
    {
        Expect(JsonValueKind.Object);
        return Enumerate(_file, Key, Element);

        static IEnumerable<(string Name, JsonNode Value)> Enumerate(string file, string key, JsonElement parent)
        {
            foreach (JsonProperty property in parent.EnumerateObject())
            {
                string name = property.Name;
                yield return (name, new JsonNode(file, key, name, 0, property.Value));
            }
        }
    }

    /// <summary>The string.</summary>
    public string AsString()
    {
        Expect(JsonValueKind.String);
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw Error("the string has an escape of a lone surrogate", e);
        }
    }

    /// <summary>The number: an integer from 0 to a limit.</summary>
    public int AsInt32(int most) =>
        Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out int value) && value >= 0 && value <= most
            ? value
            : throw Error($"expected an integer from 0 to {most}, found {Excerpt()}");

    /// <summary>True or false.</summary>
    public bool AsBoolean() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"expected true or false, found {Excerpt()}"),
    };

    /// <summary>Fails unless the value is of a kind.</summary>
    public void Expect(JsonValueKind kind)
    {
        if (Element.ValueKind != kind)
        {
            throw Error($"expected {Name(kind)}, found {Excerpt()}");
        }
    }

    /// <summary>Fails when the object has a key that is not in the list: it might change results.</summary>
    public void ExpectOnly(params ReadOnlySpan<string> names)
    {
        foreach ((string name, JsonNode value) in Properties())
        {
            if (!names.Contains(name))
            {
                throw value.Error("this key is not supported");
            }
        }
    }

    /// <summary>Fails unless the value of a key is absent, <c>null</c>, or one that has no effect.</summary>
    public void ExpectNoEffect(string name, Func<JsonElement, bool> harmless)
    {
        if (TryGet(name, out JsonNode value) && !value.IsNull && !harmless(value.Element))
        {
            throw value.Error($"{value.Excerpt()} is not supported");
        }
    }

    /// <summary>Makes the error of this place.</summary>
    public TokenizerException Error(string problem, Exception? cause = null) => new(_file, Key, problem, cause);

    /// <summary>The value for an error message: the kind of an object or array, else what the file says.</summary>
    public string Excerpt() =>
        Element.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? Name(Element.ValueKind) : Shorten(Element.GetRawText());

    private static string Name(JsonValueKind kind) => $"{char.ToLowerInvariant(kind.ToString()[0])}{kind.ToString()[1..]}";

    private static string Shorten(string text) => text.Length <= LongestQuote ? text : $"{text.AsSpan(0, LongestQuote)}…";

    private static ReadOnlyMemory<byte> ReadBounded(Stream stream, string file)
    {
        byte[] bytes = new byte[1 << 16];
        int count = 0;
        while (true)
        {
            int read = stream.Read(bytes, count, bytes.Length - count);
            count += read;
            if (count > TokenizerLimits.MaxFileBytes)
            {
                throw new TokenizerException(file, "", $"the file is larger than {TokenizerLimits.MaxFileBytes} bytes");
            }

            if (read == 0)
            {
                return bytes.AsMemory(0, count);
            }

            if (count == bytes.Length)
            {
                Array.Resize(ref bytes, bytes.Length * 2);
            }
        }
    }
}
