using System.Buffers;
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
