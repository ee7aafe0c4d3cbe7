using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace FlexKernel.Checkpoints;

/// <summary>Reads the JSON of a safetensors header token by token; checks syntax and shape, not sizes and offsets.</summary>
/// <remarks>A document model would need several times the memory, and cannot tell a duplicate key from other errors.</remarks>
internal ref struct SafetensorsHeaderReader
{
    private const string MetadataKey = "__metadata__";

    // Real headers nest three deep. The reference's parser stops at 128; 64 leaves room for unknown fields and cannot exhaust a stack.
    private const int MaxDepth = 64;

    private const int MaxDigitsShown = 40;

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string _file;
    private readonly List<DeclaredTensor> _tensors = [];
    private IReadOnlyDictionary<string, string> _metadata = ImmutableDictionary<string, string>.Empty;
    private Utf8JsonReader _json;

    public SafetensorsHeaderReader(ReadOnlySpan<byte> bytes, string file)
    {
        _bytes = bytes;
        _file = file;
        _json = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    /// <summary>Gets the tensors in header order.</summary>
    public readonly List<DeclaredTensor> Tensors => _tensors;

    /// <summary>Gets the metadata.</summary>
    public readonly IReadOnlyDictionary<string, string> Metadata => _metadata;

    private readonly string Position => $"header byte {_json.TokenStartIndex}";

    /// <summary>Reads the whole header.</summary>
    /// <exception cref="CheckpointException">The header is not the JSON the format prescribes.</exception>
    public void Read()
    {
        if (_bytes.Length > 0 && IsJsonSpace(_bytes[0]))
        {
            throw new CheckpointException(
                CheckpointError.InvalidHeaderStart, _file, "a header that begins with {", $"byte 0x{_bytes[0]:x2} before it");
        }

        try
        {
            ReadObject();
        }
        catch (JsonException e)
        {
            throw Malformed("valid JSON", CheckpointException.Quote(e.Message), null, e);
        }
        catch (InvalidOperationException e)
        {
            // How the JSON reader reports an escape that is half of a surrogate pair.
            throw Malformed("text in valid Unicode", CheckpointException.Quote(e.Message), null, e);
        }
    }

    private static bool IsJsonSpace(byte value) => value is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r';

    private void ReadObject()
    {
        Next();
        Expect(JsonTokenType.StartObject, "an object", null);
        HashSet<string> names = new(StringComparer.Ordinal);
        while (NextProperty(names, out string name))
        {
            Next();
            if (name == MetadataKey)
            {
                ReadMetadata();
                continue;
            }

            if (_tensors.Count == SafetensorsHeader.MaxTensors)
            {
                throw new CheckpointException(
                    CheckpointError.TooManyTensors, _file, $"at most {SafetensorsHeader.MaxTensors} tensors", "more");
            }

            _tensors.Add(ReadTensor(name));
        }

        CheckPadding();
    }

    private void CheckPadding()
    {
        ReadOnlySpan<byte> padding = _bytes[(int)_json.BytesConsumed..];
        if (padding.ContainsAnyExcept((byte)' '))
        {
            while (_json.Read())
            {
            }

            throw new CheckpointException(
                CheckpointError.InvalidHeaderPadding, _file, "padding by 0x20 only", "other white space behind the header's object");
        }
    }

    private void ReadMetadata()
    {
        if (_json.TokenType == JsonTokenType.Null)
        {
            return;
        }

        Expect(JsonTokenType.StartObject, "an object of strings", MetadataKey);
        HashSet<string> names = new(StringComparer.Ordinal);
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        while (NextProperty(names, out string name))
        {
            Next();
            Expect(JsonTokenType.String, $"a string under {CheckpointException.Quote(name)}", MetadataKey);
            metadata.Add(name, _json.GetString()!);
        }

        _metadata = metadata;
    }

    private DeclaredTensor ReadTensor(string name)
    {
        TensorType? type = null;
        long[]? shape = null;
        (ulong Begin, ulong End)? offsets = null;
        if (_json.TokenType == JsonTokenType.StartArray)
        {
            // The reference takes the three fields as an array too.
            Next();
            type = ReadType(name);
            Next();
            shape = ReadShape(name);
            Next();
            offsets = ReadOffsets(name);
            Next();
            Expect(JsonTokenType.EndArray, "three fields", name);
        }
        else
        {
            Expect(JsonTokenType.StartObject, "an object", name);
            HashSet<string>? unknown = null;
            for (Next(); _json.TokenType != JsonTokenType.EndObject; Next())
            {
                if (_json.ValueTextEquals("dtype"u8))
                {
                    ExpectFirst(type is null);
                    Next();
                    type = ReadType(name);
                }
                else if (_json.ValueTextEquals("shape"u8))
                {
                    ExpectFirst(shape is null);
                    Next();
                    shape = ReadShape(name);
                }
                else if (_json.ValueTextEquals("data_offsets"u8))
                {
                    ExpectFirst(offsets is null);
                    Next();
                    offsets = ReadOffsets(name);
                }
                else
                {
                    unknown ??= new HashSet<string>(StringComparer.Ordinal);
                    ExpectFirst(unknown.Add(_json.GetString()!));
                    Next();
                    CheckUnknown(name);
                }
            }
        }

        return type is not null && shape is not null && offsets is { } range
            ? new DeclaredTensor(name, type.Value, shape, range.Begin, range.End)
            : throw Malformed("dtype, shape and data_offsets", "fewer fields", name);
    }

    private readonly TensorType ReadType(string tensor)
    {
        Expect(JsonTokenType.String, "a string as dtype", tensor);
        string text = _json.GetString()!;
        return TensorTypes.TryParse(text, out TensorType type)
            ? type
            : throw Malformed("a dtype of the format", CheckpointException.Quote(text), tensor);
    }

    private long[] ReadShape(string tensor)
    {
        Expect(JsonTokenType.StartArray, "an array as shape", tensor);
        Utf8JsonReader ahead = _json;
        int rank = 0;
        while (ahead.Read() && ahead.TokenType == JsonTokenType.Number)
        {
            rank++;
        }

        long[] shape = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            Next();
            shape[i] = unchecked((long)ReadUnsigned("a dimension", tensor));
        }

        Next();
        Expect(JsonTokenType.EndArray, "unsigned integers in shape", tensor);
        return shape;
    }

    private (ulong Begin, ulong End) ReadOffsets(string tensor)
    {
        Expect(JsonTokenType.StartArray, "an array as data_offsets", tensor);
        Next();
        ulong begin = ReadUnsigned("an offset", tensor);
        Next();
        ulong end = ReadUnsigned("an offset", tensor);
        Next();
        Expect(JsonTokenType.EndArray, "two data_offsets", tensor);
        return (begin, end);
    }

    private readonly ulong ReadUnsigned(string what, string tensor)
    {
        Expect(JsonTokenType.Number, $"an unsigned integer as {what}", tensor);
        return _json.TryGetUInt64(out ulong value)
            ? value
            : throw Malformed($"an unsigned 64-bit integer as {what}", CheckpointException.Quote(NumberText()), tensor);
    }

    private readonly string NumberText() => Encoding.UTF8.GetString(_json.ValueSpan[..Math.Min(_json.ValueSpan.Length, MaxDigitsShown)]);

    // The value is ignored, but like the reference not before its text and numbers proved readable.
    private void CheckUnknown(string tensor)
    {
        int depth = _json.CurrentDepth;
        Stack<HashSet<string>> open = new();
        while (true)
        {
            switch (_json.TokenType)
            {
                case JsonTokenType.StartObject:
                    open.Push(new HashSet<string>(StringComparer.Ordinal));
                    break;
                case JsonTokenType.EndObject:
                    open.Pop();
                    break;
                case JsonTokenType.PropertyName:
                    ExpectFirst(open.Peek().Add(_json.GetString()!));
                    break;
                case JsonTokenType.String:
                    _ = _json.GetString();
                    break;
                case JsonTokenType.Number when !_json.TryGetDouble(out double number) || !double.IsFinite(number):
                    throw Malformed("numbers within double precision", "a larger one", tensor);
                default:
                    break;
            }

            if (_json.CurrentDepth == depth && _json.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
            {
                return;
            }

            Next();
        }
    }

    private bool NextProperty(HashSet<string> seen, out string name)
    {
        Next();
        if (_json.TokenType == JsonTokenType.EndObject)
        {
            name = "";
            return false;
        }

        name = _json.GetString()!;
        ExpectFirst(seen.Add(name));
        return true;
    }

    private readonly void ExpectFirst(bool isFirst)
    {
        if (!isFirst)
        {
            string name = CheckpointException.Quote(_json.GetString()!);
            throw new CheckpointException(CheckpointError.DuplicateKey, _file, "every key once", $"{name} twice at {Position}");
        }
    }

    private void Next()
    {
        if (!_json.Read())
        {
            throw Malformed("more JSON", "its end", null);
        }
    }

    private readonly void Expect(JsonTokenType type, string expected, string? tensor)
    {
        if (_json.TokenType != type)
        {
            throw Malformed(expected, _json.TokenType.ToString(), tensor);
        }
    }

    private readonly CheckpointException Malformed(string expected, string found, string? tensor, Exception? inner = null) => new(
        CheckpointError.InvalidHeaderDeserialization, _file, expected, $"{found} at {Position}", tensor, inner);
}
