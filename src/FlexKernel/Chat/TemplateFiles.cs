using System.Text;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Chat;

/// <summary>Finds the template's text in a model directory.</summary>
internal static class TemplateFiles
{
    private const string TemplateFile = "chat_template.jinja";
    private const string ConfigFile = "tokenizer_config.json";
    private const string DefaultName = "default";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    public static string? Find(string directory)
    {
        string templatePath = Path.Combine(directory, TemplateFile), configPath = Path.Combine(directory, ConfigFile);
        if (Read(templatePath, ChatTemplate.MaxSourceBytes) is byte[] template)
        {
            return Decode(template, templatePath);
        }

        return Read(configPath, TokenizerLimits.MaxFileBytes) is byte[] config ? FromConfig(config, configPath) : null;
    }

    private static byte[]? Read(string path, int maxBytes)
    {
        try
        {
            return RegularFile.ReadAll(path, maxBytes);
        }
        catch (CheckpointException e) when (e.Error == CheckpointError.FileNotFound)
        {
            return null;
        }
    }

    private static string Decode(ReadOnlySpan<byte> bytes, string path)
    {
        bytes = bytes.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw Malformed(path, "UTF-8", e.Message, e);
        }
    }

    private static string? FromConfig(ReadOnlyMemory<byte> config, string path)
    {
        config = config.Span.StartsWith("\uFEFF"u8) ? config[3..] : config;
        try
        {
            using JsonDocument document = JsonDocument.Parse(config, Strict);
            return document.RootElement.ValueKind != JsonValueKind.Object ? throw Malformed(path, "an object", $"{document.RootElement.ValueKind}")
                : document.RootElement.TryGetProperty("chat_template", out JsonElement template) ? Select(template, path)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Malformed(path, "valid JSON without duplicate keys", e.Message, e);
        }
    }

    private static string? Select(JsonElement template, string path)
    {
        switch (template.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.String:
                return template.GetString();
            case JsonValueKind.Array:
                List<string> names = [];
                foreach (JsonElement entry in template.EnumerateArray())
                {
                    (string name, string source) = Named(entry, path);
                    if (name == DefaultName)
                    {
                        return source;
                    }

                    names.Add(name);
                }

                throw Malformed(path, $"a chat_template with the name {DefaultName}", CheckpointException.Quote(string.Join(", ", names)));
            default:
                throw Malformed(path, "a chat_template that is a string or a list", $"{template.ValueKind}");
        }
    }

    private static (string Name, string Source) Named(JsonElement entry, string path) => entry.ValueKind == JsonValueKind.Object
        && entry.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String
        && entry.TryGetProperty("template", out JsonElement template) && template.ValueKind == JsonValueKind.String
        ? (name.GetString()!, template.GetString()!)
        : throw Malformed(path, "each chat_template as an object of a name and a template", $"{entry.ValueKind}");

    private static ChatTemplateException Malformed(string path, string expected, string found, Exception? inner = null) =>
        new(ChatTemplateError.Syntax, $"{path}: expected {expected}, found {found}", null, inner);
}
