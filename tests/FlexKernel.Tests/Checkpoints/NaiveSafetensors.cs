using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>A second, slow reader of the format that shares no code with the product: a document tree and big integers.</summary>
internal static class NaiveSafetensors
{
    private static readonly Dictionary<string, int> Bits = new()
    {
        ["BOOL"] = 8,
        ["F4"] = 4,
        ["F6_E2M3"] = 6,
        ["F6_E3M2"] = 6,
        ["U8"] = 8,
        ["I8"] = 8,
        ["F8_E5M2"] = 8,
        ["F8_E4M3"] = 8,
        ["F8_E8M0"] = 8,
        ["F8_E4M3FNUZ"] = 8,
        ["F8_E5M2FNUZ"] = 8,
        ["I16"] = 16,
        ["U16"] = 16,
        ["F16"] = 16,
        ["BF16"] = 16,
        ["I32"] = 32,
        ["U32"] = 32,
        ["F32"] = 32,
        ["C64"] = 64,
        ["F64"] = 64,
        ["I64"] = 64,
        ["U64"] = 64,
    };

    private static readonly BigInteger TwoTo64 = BigInteger.One << 64;

    /// <summary>Tells whether the bytes are a legal file.</summary>
    public static bool Accepts(byte[] file)
    {
        if (file.Length < 8)
        {
            return false;
        }

        BigInteger length = BinaryPrimitives.ReadUInt64LittleEndian(file);
        if (length > 100_000_000 || length + 8 > file.Length)
        {
            return false;
        }

        try
        {
            string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(file, 8, (int)length);
            if (!text.StartsWith('{') || text.TrimEnd(' ')[^1] != '}')
            {
                return false;
            }

            using JsonDocument document = JsonDocument.Parse(
                text, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 64 });
            return IsReadable(document.RootElement) && IsLegal(document.RootElement, file.Length - 8 - length);
        }
        catch (Exception e) when (e is DecoderFallbackException or JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static bool IsLegal(JsonElement root, BigInteger dataLength)
    {
        List<(BigInteger Begin, BigInteger End)> ranges = [];
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                bool legal = property.Value.ValueKind == JsonValueKind.Null
                    || (
                        property.Value.ValueKind == JsonValueKind.Object && property.Value.EnumerateObject().All(
                            item => item.Value.ValueKind == JsonValueKind.String));
                if (!legal)
                {
                    return false;
                }
            }
            else if (Range(property.Value) is { } range)
            {
                ranges.Add(range);
            }
            else
            {
                return false;
            }
        }

        BigInteger end = 0;
        foreach ((BigInteger begin, BigInteger next) in ranges.Order())
        {
            if (begin != end)
            {
                return false;
            }

            end = next;
        }

        return end == dataLength;
    }

    private static (BigInteger Begin, BigInteger End)? Range(JsonElement entry)
    {
        JsonElement type = default, shape = default, offsets = default;
        if (entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 3)
        {
            (type, shape, offsets) = (entry[0], entry[1], entry[2]);
        }
        else if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("dtype", out type)
            || !entry.TryGetProperty("shape", out shape) || !entry.TryGetProperty("data_offsets", out offsets))
        {
            return null;
        }

        if (type.ValueKind != JsonValueKind.String || !Bits.TryGetValue(type.GetString()!, out int bits)
            || Integers(shape) is not { } dimensions || Integers(offsets) is not [var begin, var end])
        {
            return null;
        }

        BigInteger product = 1;
        foreach (BigInteger factor in dimensions.Append(bits))
        {
            product *= factor;
            if (product >= TwoTo64)
            {
                return null;
            }
        }

        return product == (end - begin) * 8 ? (begin, end) : null;
    }

    private static BigInteger[]? Integers(JsonElement array)
    {
        if (array.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        string[] texts = [.. array.EnumerateArray().Select(item => item.GetRawText())];
        return texts.All(text => text.All(char.IsAsciiDigit) && BigInteger.Parse(text) < TwoTo64)
            ? [.. texts.Select(text => BigInteger.Parse(text))]
            : null;
    }

    // Half surrogate pairs throw here; a number beyond double precision is no value.
    private static bool IsReadable(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().All(property => property.Name is not null && IsReadable(property.Value)),
        JsonValueKind.Array => element.EnumerateArray().All(IsReadable),
        JsonValueKind.String => element.GetString() is not null,
        JsonValueKind.Number => element.TryGetDouble(out double value) && double.IsFinite(value),
        _ => true,
    };
}
