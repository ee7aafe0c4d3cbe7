using System.Text.Json;
using FlexKernel.Checkpoints;

namespace FlexKernel.Model;

/// <summary>Reads and parses JSON configuration files with bounds on size and depth.</summary>
internal static class ConfigFile
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = ModelLimits.JsonDepth };

    /// <summary>Reads a whole file of at most <see cref="ModelLimits.ConfigBytes"/> bytes.</summary>
    public static byte[] Read(string path) => RegularFile.ReadAll(path, ModelLimits.ConfigBytes);

    /// <summary>Parses a file's content; a leading UTF-8 byte order mark, which Windows editors write, is skipped.</summary>
    public static JsonDocument Parse(ReadOnlyMemory<byte> content, string file)
    {
        CheckSize(file, content.Length);
        if (content.Span.StartsWith("\uFEFF"u8))
        {
            content = content[3..];
        }

        try
        {
            return JsonDocument.Parse(content, Options);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ModelConfigException(file, "", "valid JSON without duplicate keys", e.Message, e);
        }
    }

    private static void CheckSize(string file, long bytes)
    {
        if (bytes > ModelLimits.ConfigBytes)
        {
            throw new ModelConfigException(file, "", $"at most {ModelLimits.ConfigBytes} bytes", $"{bytes}");
        }
    }
}
