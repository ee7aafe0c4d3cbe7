using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FlexKernel.Checkpoints;

/// <summary>The content of <c>model.safetensors.index.json</c>: which shard holds which tensor.</summary>
/// <param name="Path">The index file.</param>
/// <param name="TotalSize">The bytes of all tensors, or null when the index does not state them.</param>
/// <param name="Shards">The distinct shard names in ordinal order; each is a checked base name.</param>
/// <param name="ShardOf">The shard name of each tensor.</param>
internal sealed record ShardIndex(string Path, ulong? TotalSize, IReadOnlyList<string> Shards, IReadOnlyDictionary<string, string> ShardOf)
{
    private const int MaxStemLength = 128;
    private const int MaxDepth = 32;

    private static readonly SearchValues<char> FirstCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

    private static readonly SearchValues<char> Characters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    /// <summary>Reads an index.</summary>
    /// <exception cref="CheckpointException">The file cannot be read, is not an index, or names an unacceptable shard.</exception>
    public static ShardIndex Read(string path) => Parse(RegularFile.ReadAll(path, SafetensorsHeader.MaxHeaderBytes), path);

    /// <summary>Parses an index.</summary>
    /// <exception cref="CheckpointException">The text is not an index, or names an unacceptable shard.</exception>
    public static ShardIndex Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using JsonDocument document = ParseStrictly(json, path);
            return Convert(document.RootElement, path);
        }
        catch (JsonException e)
        {
            throw Malformed(path, "valid JSON", CheckpointException.Quote(e.Message), e);
        }
        catch (InvalidOperationException e)
        {
            // How the JSON reader reports an escape that is half of a surrogate pair, or bytes that are not UTF-8.
            throw Malformed(path, "text in valid Unicode", CheckpointException.Quote(e.Message), e);
        }
    }

    /// <summary>The name of a shard that is written.</summary>
    /// <param name="index">Its place, from 0.</param>
    /// <param name="count">The number of shards.</param>
    public static string ShardName(int index, int count) => $"model-{index + 1:00000}-of-{count:00000}{WeightFiles.Extension}";

    /// <summary>Writes an index.</summary>
    /// <param name="stream">Receives the text.</param>
    /// <param name="totalSize">The bytes of all tensors.</param>
    /// <param name="shardOf">The shard name of each tensor, in the order to write.</param>
    public static void Write(Stream stream, long totalSize, IEnumerable<KeyValuePair<string, string>> shardOf)
    {
        using Utf8JsonWriter json = new(
            stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteStartObject("metadata"u8);
        json.WriteNumber("total_size"u8, totalSize);
        json.WriteEndObject();
        json.WriteStartObject("weight_map"u8);
        foreach ((string tensor, string shard) in shardOf)
        {
            json.WriteString(tensor, shard);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Checks that shards hold exactly the tensors that the index places in them.</summary>
    /// <param name="files">Path and header of every shard, in the order of <see cref="Shards"/>.</param>
    /// <returns>The bytes of all tensors.</returns>
    /// <exception cref="CheckpointException">A tensor is missing, unlisted or elsewhere, or the sizes disagree.</exception>
    public long Check(IEnumerable<(string Path, SafetensorsHeader Header)> files)
    {
        CheckedSize bytes = new(0, Path);
        HashSet<string> found = new(ShardOf.Count, StringComparer.Ordinal);
        foreach ((string shard, (string path, SafetensorsHeader header)) in Shards.Zip(files))
        {
            bytes += (ulong)(header.Tensors.IsEmpty ? 0 : header.Tensors[^1].End);
            foreach (TensorEntry entry in header.Tensors)
            {
                CheckPlace(entry, shard, path);
                found.Add(entry.Name);
            }
        }

        foreach ((string tensor, string shard) in ShardOf)
        {
            if (!found.Contains(tensor))
            {
                throw new CheckpointException(CheckpointError.ShardTensorMissing, Path, $"this tensor in {shard}", "none", tensor);
            }
        }

        return TotalSize is null || TotalSize == bytes.Value
            ? bytes.ToInt64()
            : throw new CheckpointException(
                CheckpointError.TotalSizeMismatch, Path, $"tensors of {TotalSize} bytes as total_size says", $"{bytes.Value} bytes");
    }

    /// <summary>Tells whether a name is a plain base name: no path, no leading dot, ASCII only.</summary>
    public static bool IsShardName(ReadOnlySpan<char> name)
    {
        if (!name.EndsWith(WeightFiles.Extension, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> stem = name[..^WeightFiles.Extension.Length];
        return stem.Length is >= 1 and <= MaxStemLength && FirstCharacters.Contains(stem[0]) && !stem.ContainsAnyExcept(Characters);
    }

    private static JsonDocument ParseStrictly(ReadOnlyMemory<byte> json, string path)
    {
        JsonDocumentOptions options = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };
        try
        {
            return JsonDocument.Parse(json, options);
        }
        catch (JsonException e)
        {
            // The JSON reader has no error of its own for duplicates: what parses with them and not without has them.
            JsonDocument.Parse(json, options with { AllowDuplicateProperties = true }).Dispose();
            throw new CheckpointException(
                CheckpointError.DuplicateKey, path, "every key once", CheckpointException.Quote(e.Message), innerException: e);
        }
    }

    private void CheckPlace(TensorEntry entry, string shard, string path)
    {
        if (!ShardOf.TryGetValue(entry.Name, out string? listed))
        {
            throw new CheckpointException(
                CheckpointError.ShardTensorUnlisted, path, $"only tensors that {WeightFiles.IndexFileName} names", "this one", entry.Name);
        }

        if (listed != shard)
        {
            throw new CheckpointException(
                CheckpointError.ShardTensorMisplaced,
                path,
                $"this tensor in {listed} alone, as {WeightFiles.IndexFileName} says",
                "it here",
                entry.Name);
        }
    }

    private static ShardIndex Convert(JsonElement root, string path)
    {
        if (root.ValueKind != JsonValueKind.Object
            || !root.TryGetProperty("weight_map", out JsonElement map)
            || map.ValueKind != JsonValueKind.Object)
        {
            throw Malformed(path, "an object with an object weight_map", root.ValueKind.ToString());
        }

        Dictionary<string, string> shardOf = new(StringComparer.Ordinal);
        SortedSet<string> shards = new(StringComparer.Ordinal);
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string tensor = property.Name;
            string shard = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : "";
            if (!IsShardName(shard))
            {
                throw new CheckpointException(
                    CheckpointError.InvalidShardName,
                    path,
                    $"a base name ending in {WeightFiles.Extension}",
                    CheckpointException.Quote(shard),
                    tensor);
            }

            // One instance per name: an index of many tensors names few shards.
            shardOf.Add(tensor, shards.TryGetValue(shard, out string? known) ? known : shard);
            shards.Add(shard);
            if (shards.Count > WeightFiles.MaxShards)
            {
                throw new CheckpointException(CheckpointError.TooManyShards, path, $"at most {WeightFiles.MaxShards} shards", "more");
            }
        }

        return shards.Count > 0
            ? new ShardIndex(path, ReadTotalSize(root, path), [.. shards], shardOf)
            : throw Malformed(path, "a weight_map with tensors", "an empty one");
    }

    private static ulong? ReadTotalSize(JsonElement root, string path)
    {
        if (!root.TryGetProperty("metadata", out JsonElement metadata) || metadata.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        if (metadata.ValueKind != JsonValueKind.Object)
        {
            throw Malformed(path, "an object as metadata", metadata.ValueKind.ToString());
        }

        if (!metadata.TryGetProperty("total_size", out JsonElement size))
        {
            return null;
        }

        return size.ValueKind == JsonValueKind.Number && size.TryGetUInt64(out ulong total)
            ? total
            : throw Malformed(path, "an unsigned integer as total_size", CheckpointException.Quote(size.GetRawText()));
    }

    private static CheckpointException Malformed(string path, string expected, string found, Exception? inner = null) =>
        new(CheckpointError.InvalidIndex, path, expected, found, innerException: inner);
}
