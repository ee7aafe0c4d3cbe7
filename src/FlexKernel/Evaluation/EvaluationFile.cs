using System.IO.Compression;
using System.Text;
using System.Text.Json;
using FlexKernel.Text.Files;

namespace FlexKernel.Evaluation;

/// <summary>What a file holds to evaluate a model with.</summary>
public enum EvaluationKind
{
    /// <summary>Documents.</summary>
    Text,

    /// <summary>Questions with answers to choose from.</summary>
    Choice,

    /// <summary>Questions to answer.</summary>
    ExactMatch,
}

/// <summary>Reads texts and questions; files whose name ends in <c>.gz</c> are unpacked.</summary>
public static class EvaluationFile
{
    // A document is one string.
    private const int MaxBytes = 1 << 29;
    private const string Compressed = ".gz";
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 8 };
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Recognises what a file holds: questions by their members in a <c>.jsonl</c> file, else text.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="EvaluationException">The first line is no question.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static EvaluationKind Recognise(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string name = path.EndsWith(Compressed, StringComparison.OrdinalIgnoreCase) ? path[..^Compressed.Length] : path;
        if (!name.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            return EvaluationKind.Text;
        }

        List<EvaluationKind> first = ReadLines(path, 1, (JsonElement line, long _) =>
            line.TryGetProperty("choices", out JsonElement _) ? EvaluationKind.Choice
            : line.TryGetProperty("prompt", out JsonElement _) ? EvaluationKind.ExactMatch
            : throw new FormatException("expected a question with \"choices\" or \"prompt\""));
        return first.Count > 0
            ? first[0]
            : throw new EvaluationException(path, 0, "expected questions, one JSON object a line; found none");
    }

    /// <summary>Reads UTF-8 documents that are separated by NUL; those that are empty are left out.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="EvaluationException">The file is not UTF-8, has a document of more than 512 MiB, is damaged, or holds no text.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<string> ReadDocuments(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        List<string> documents = [];
        try
        {
            using Stream stream = OpenBytes(path);
            SeparatedReader reader = new(stream, separator: 0, MaxBytes);
            while (reader.TryRead(out ReadOnlyMemory<byte> document))
            {
                if (!document.IsEmpty)
                {
                    documents.Add(Utf8.GetString(document.Span));
                }
            }
        }
        catch (DecoderFallbackException e)
        {
            throw new EvaluationException(path, 0, $"expected UTF-8, found {e.Message}", e);
        }
        catch (InvalidDataException e)
        {
            throw new EvaluationException(path, 0, e.Message, e);
        }

        return documents.Count > 0 ? documents : throw new EvaluationException(path, 0, "expected text, found none");
    }

    /// <summary>Reads questions with answers to choose from: <c>{id, task, domain, context, choices, answer}</c>, one a line.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most questions to read; all by default.</param>
    /// <exception cref="EvaluationException">A line is malformed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ChoiceItem> ReadChoices(string path, int? limit = null) => ReadLines(path, limit, (line, number) =>
    {
        string[] choices = Texts(line, "choices");
        int answer = Index(line, "answer", choices.Length);
        return new ChoiceItem(
            Id(line, number), Optional(line, "task"), Optional(line, "domain"), Required(line, "context"), choices, answer);
    });

    /// <summary>
    /// Reads questions to answer: <c>{id, task, domain, prompt, answer}</c>, one a line. Where a <c>solution</c> with <c>####</c> is given,
    /// answers are to be given in that form too.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most questions to read; all by default.</param>
    /// <exception cref="EvaluationException">A line is malformed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ExactMatchItem> ReadExactMatches(string path, int? limit = null) => ReadLines(path, limit, (line, number) =>
    {
        bool isHashed = Optional(line, "solution")?.Contains("####", StringComparison.Ordinal) == true;
        return new ExactMatchItem(
            Id(line, number),
            Optional(line, "task"),
            Optional(line, "domain"),
            Required(line, "prompt"),
            Required(line, "answer"),
            isHashed ? AnswerForm.AfterHashes : AnswerForm.FirstLine);
    });

    private static List<T> ReadLines<T>(string path, int? limit, Func<JsonElement, long, T> read)
    {
        ArgumentNullException.ThrowIfNull(path);
        List<T> items = [];
        long number = 0;
        try
        {
            using StreamReader reader = Open(path);
            while (items.Count < (limit ?? int.MaxValue) && reader.ReadLine() is { } line)
            {
                number++;
                if (line.Length == 0)
                {
                    continue;
                }

                using JsonDocument document = JsonDocument.Parse(line, Strict);
                items.Add(document.RootElement.ValueKind == JsonValueKind.Object
                    ? read(document.RootElement, number)
                    : throw new FormatException("expected a JSON object"));
            }

            return items;
        }
        catch (Exception e) when (
            e is JsonException or FormatException or DecoderFallbackException or InvalidDataException or InvalidOperationException)
        {
            throw new EvaluationException(path, number, Problem(e), e);
        }
    }

    // Half of a surrogate pair in a JSON string is the one invalid operation; the parser counts lines within the line.
    private static string Problem(Exception exception) => exception switch
    {
        InvalidOperationException => "expected text, found half of a surrogate pair",
        JsonException e => $"not acceptable JSON: {e.Message.Split(" LineNumber:")[0]}",
        _ => exception.Message,
    };

    private static string Id(JsonElement line, long number) => Optional(line, "id") ?? $"line {number}";

    private static string? Optional(JsonElement line, string name) =>
        line.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? Text(value, name) : null;

    private static string Required(JsonElement line, string name) =>
        Optional(line, name) ?? throw new FormatException($"\"{name}\": expected text, found none");

    private static string[] Texts(JsonElement line, string name) =>
        line.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            ? [.. list.EnumerateArray().Select(item => Text(item, name))]
            : throw new FormatException($"\"{name}\": expected a list of texts");

    private static int Index(JsonElement line, string name, int count) =>
        line.TryGetProperty(name, out JsonElement given) && given.ValueKind == JsonValueKind.Number && given.TryGetInt32(out int index)
        && index >= 0 && index < count
            ? index
            : throw new FormatException($"\"{name}\": expected a whole number from 0 to {count - 1}");

    private static string Text(JsonElement value, string name) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw new FormatException($"\"{name}\": expected text, found {value.ValueKind}");

    private static StreamReader Open(string path) => new(OpenBytes(path), Utf8);

    private static Stream OpenBytes(string path)
    {
        FileStream file = File.OpenRead(path);
        bool isCompressed = path.EndsWith(Compressed, StringComparison.OrdinalIgnoreCase);
        return isCompressed ? new GZipStream(file, CompressionMode.Decompress) : file;
    }
}
