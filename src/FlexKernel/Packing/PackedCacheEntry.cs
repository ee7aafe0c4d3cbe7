using System.Collections.Immutable;
using System.Text.Json;
using FlexKernel.Checkpoints;

namespace FlexKernel.Packing;

/// <summary>Packed weights that a <see cref="PackedWeightCache"/> keeps.</summary>
public sealed record PackedCacheEntry
{
    internal const string FileName = "entry.json";
    private const int MaxBytes = 16 << 20;

    /// <summary>Gets the model directory that was loaded, as a full path.</summary>
    public required string Model { get; init; }

    /// <summary>Gets the model type, for example <c>flex_olmo</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>Gets the formats asked for, for example <c>weights=Q4C</c>.</summary>
    public required string Formats { get; init; }

    /// <summary>Gets the bytes on disk.</summary>
    public long Bytes { get; internal init; }

    /// <summary>Gets when it was last loaded.</summary>
    public DateTime LastUsed { get; internal init; }

    /// <summary>Gets the directory that holds it.</summary>
    public string Directory { get; internal init; } = "";

    /// <summary>Gets the weight files it was packed from.</summary>
    internal ImmutableArray<CachedSource> Sources { get; init; } = [];

    /// <summary>Gets the digest of each of its own files.</summary>
    internal ImmutableSortedDictionary<string, string> Files { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Reads an entry; null when there is none or it cannot be read.</summary>
    internal static PackedCacheEntry? Read(string directory)
    {
        string path = Path.Combine(directory, FileName);
        try
        {
            if (!File.Exists(path))
            {
                return null;
            }

            using JsonDocument document = JsonDocument.Parse(RegularFile.ReadAll(path, MaxBytes));
            JsonElement root = document.RootElement;
            return new PackedCacheEntry
            {
                Directory = directory,
                Model = Text(root, "model"),
                ModelType = Text(root, "model_type"),
                Formats = Text(root, "formats"),
                Sources = [.. root.GetProperty("sources").EnumerateArray().Select(s => new CachedSource(
                    Text(s, "name"), s.GetProperty("stamp").GetString(), Text(s, "sha256")))],
                Files = root.GetProperty("files").EnumerateObject().ToImmutableSortedDictionary(f => f.Name, f => f.Value.GetString()!, StringComparer.Ordinal),
                Bytes = new DirectoryInfo(directory).EnumerateFiles().Sum(f => f.Length),
                LastUsed = File.GetLastWriteTimeUtc(path),
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException
            or CheckpointException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Whatever is wrong with it, it is only a cache.
            return null;
        }

        static string Text(JsonElement json, string name) => json.GetProperty(name).GetString() ?? throw new FormatException(name);
    }

    /// <summary>Writes the description.</summary>
    internal void Write(Stream stream)
    {
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("model"u8, Model);
        json.WriteString("model_type"u8, ModelType);
        json.WriteString("formats"u8, Formats);
        json.WriteStartArray("sources"u8);
        foreach (CachedSource source in Sources)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, source.Name);
            json.WriteString("stamp"u8, source.Stamp);
            json.WriteString("sha256"u8, source.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("files"u8);
        foreach ((string name, string sha256) in Files)
        {
            json.WriteString(name, sha256);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>A weight file as it was when it was packed.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Stamp">Which file it was, unchanged since when; null when that could not be told yet.</param>
/// <param name="Sha256">Its digest.</param>
internal readonly record struct CachedSource(string Name, string? Stamp, string Sha256);
