using System.Text.Json;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Tokenize;

/// <summary>Encodes or decodes JSON lines: one result per line, in order, as they come.</summary>
/// <param name="codec">The tokenizer.</param>
/// <param name="decode">Ids to text rather than text to ids.</param>
/// <param name="count">Only the number of ids.</param>
internal sealed class JsonlTokenizer(TokenCodec codec, bool decode, bool count)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>Runs to the end of the input.</summary>
    /// <exception cref="CliException">A line is malformed; those before it are done.</exception>
    public async Task RunAsync(Terminal terminal, CancellationToken cancellationToken)
    {
        using JsonLines lines = new(terminal.Out);
        for (long number = 1; await ReadLineAsync(terminal, cancellationToken) is { } line; number++)
        {
            try
            {
                Convert(line.Length > 0 ? line : throw new FormatException($"expected {Form}, found an empty line"), lines);
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
            {
                throw CliException.BadData($"line {number}: {Problem(e)}");
            }
        }
    }

    // Whoever waits for results before sending more gets them: all are sent on before waiting for input.
    private static async ValueTask<string?> ReadLineAsync(Terminal terminal, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task<string?> line = terminal.Input.ReadLineAsync(CancellationToken.None).AsTask();
        if (!line.IsCompleted)
        {
            await terminal.Out.FlushAsync(cancellationToken);
        }

        return await line.WaitAsync(cancellationToken);
    }

    // The parser counts lines within the line.
    private static string Problem(Exception exception) => exception switch
    {
        JsonException e => $"not acceptable JSON: {e.Message.Split(" LineNumber:")[0]}",
        InvalidOperationException => "half of a surrogate pair; give such text as {\"utf16\": [code units]}",
        _ => exception.Message,
    };

    private void Convert(string line, JsonLines lines)
    {
        using JsonDocument document = JsonDocument.Parse(line, Strict);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw Unexpected(root);
        }

        if (decode)
        {
            string text = codec.Decode(Integers(root, "ids", int.MinValue, int.MaxValue));
            lines.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("text", text);
                json.WriteEndObject();
            });
            return;
        }

        List<int> ids = codec.Encode(Text(root));
        lines.Write(json => WriteIds(json, ids));
    }

    private void WriteIds(Utf8JsonWriter json, List<int> ids)
    {
        json.WriteStartObject();
        if (count)
        {
            json.WriteNumber("count", ids.Count);
        }
        else
        {
            json.WriteStartArray("ids");
            ids.ForEach(json.WriteNumberValue);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    // JSON strings cannot carry lone surrogates: such text comes as its code units.
    private string Text(JsonElement root)
    {
        if (root.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String)
        {
            return text.GetString()!;
        }

        return root.TryGetProperty("utf16", out _)
            ? new string(Array.ConvertAll(Integers(root, "utf16", char.MinValue, char.MaxValue), unit => (char)unit))
            : throw Unexpected(root);
    }

    private static int[] Integers(JsonElement root, string key, int min, int max)
    {
        if (!root.TryGetProperty(key, out JsonElement list) || list.ValueKind != JsonValueKind.Array)
        {
            throw new FormatException($"expected {{\"{key}\": [whole numbers]}}, found {Show(root)}");
        }

        return [.. list.EnumerateArray().Select(item => IsInteger(item, out int value) && value >= min && value <= max
            ? value
            : throw new FormatException($"\"{key}\": expected whole numbers from {min} to {max}, found {Show(item)}"))];
    }

    private static bool IsInteger(JsonElement item, out int value)
    {
        value = 0;
        return item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out value);
    }

    private string Form => decode ? "{\"ids\": [whole numbers]}" : "{\"text\": \"...\"} or {\"utf16\": [code units]}";

    private FormatException Unexpected(JsonElement found) => new($"expected {Form}, found {Show(found)}");

    private static string Show(JsonElement value)
    {
        const int Longest = 80;
        string text = SafeText.ForTerminal(value.GetRawText());
        return text.Length <= Longest ? text : $"{text.AsSpan(0, Longest)}…";
    }
}
