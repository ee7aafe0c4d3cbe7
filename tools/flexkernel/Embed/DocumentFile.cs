using System.IO.Compression;
using System.Text;
using System.Text.Json;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Embed;

/// <summary>Reads files of documents: one per line, separated by NUL, or JSON objects with a text; plain or gzip.</summary>
internal static class DocumentFile
{
    private const string Json = ".jsonl";
    private const string Compressed = ".gz";
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>Reads all documents of a file; its name says what it is.</summary>
    /// <exception cref="CliException">A line is malformed, or the file is not gzip as its name says.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static async Task<string[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream file = File.OpenRead(path);
        bool isCompressed = path.EndsWith(Compressed, StringComparison.OrdinalIgnoreCase);
        using StreamReader reader = new(isCompressed ? new GZipStream(file, CompressionMode.Decompress) : file, Encoding.UTF8);
        try
        {
            string content = await reader.ReadToEndAsync(cancellationToken);
            string name = isCompressed ? path[..^Compressed.Length] : path;
            return name.EndsWith(Json, StringComparison.OrdinalIgnoreCase) ? Texts(content, path) : Split(content);
        }
        catch (InvalidDataException e)
        {
            throw CliException.BadData($"'{path}': not gzip as its name says: {e.Message}");
        }
    }

    /// <summary>The documents of a text: its parts between NULs if there is one, else its lines.</summary>
    public static string[] Split(string content) => content.Contains('\0') ? Parts(content) : Lines(content);

    // What follows the last separator is a document only if there is something.
    private static string[] Parts(string content)
    {
        string[] parts = content.Split('\0');
        return parts[^1].Length == 0 ? parts[..^1] : parts;
    }

    private static string[] Lines(string content)
    {
        List<string> lines = [];
        StringReader reader = new(content);
        while (reader.ReadLine() is { } line)
        {
            lines.Add(line);
        }

        return [.. lines];
    }

    private static string[] Texts(string content, string path)
    {
        string[] lines = Lines(content), texts = new string[lines.Length];
        for (int i = 0; i < lines.Length; i++)
        {
            try
            {
                using JsonDocument document = JsonDocument.Parse(lines[i], Strict);
                texts[i] = Text(document.RootElement);
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
            {
                throw CliException.BadData($"'{path}', line {i + 1}: expected {{\"text\": \"...\"}}, found {Problem(e)}");
            }
        }

        return texts;
    }

    private static string Text(JsonElement root) =>
        root.ValueKind == JsonValueKind.Object
        && root.TryGetProperty("text", out JsonElement text)
        && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw new FormatException(Show(root));

    // The parser counts lines within the line.
    private static string Problem(Exception exception) => exception switch
    {
        JsonException e => $"what is not acceptable JSON: {e.Message.Split(" LineNumber:")[0]}",
        InvalidOperationException => "half of a surrogate pair",
        _ => exception.Message,
    };

    private static string Show(JsonElement value)
    {
        const int Longest = 80;
        string text = SafeText.ForTerminal(value.GetRawText());
        return text.Length <= Longest ? text : $"{text.AsSpan(0, Longest)}…";
    }
}
