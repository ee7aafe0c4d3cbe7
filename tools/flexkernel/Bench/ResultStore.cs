using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;

namespace FlexKernel.Cli.Bench;

/// <summary>Keeps runs in files, one for each machine and day: an array, to which runs are added at the end.</summary>
internal static class ResultStore
{
    private static readonly JsonWriterOptions Readable = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The option that asks for it.</summary>
    public static Option<string?> Option() => OptionFactory.Text("--results", "Add the run to this machine's file of the day in a directory", "DIR");

    /// <summary>Adds a run.</summary>
    /// <param name="directory">Where the files are; made if it is absent.</param>
    /// <param name="machine">Where the run was made.</param>
    /// <param name="clock">Says when.</param>
    /// <param name="kind"><c>run</c>, <c>team</c>, <c>train</c> or <c>probe</c>: the property that holds it.</param>
    /// <param name="write">Writes it, one object.</param>
    /// <returns>The file.</returns>
    /// <exception cref="CliException">The file exists and is not an array of runs.</exception>
    public static string Append(string directory, MachineFacts machine, TimeProvider clock, string kind, Action<Utf8JsonWriter> write)
    {
        Directory.CreateDirectory(directory);
        DateTimeOffset now = clock.GetUtcNow();
        string path = Path.Combine(directory, $"{machine.Slug}-{now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}.json");
        using JsonDocument earlier = File.Exists(path) ? Read(path) : JsonDocument.Parse("[]");
        DurableFile.Write(path, stream =>
        {
            using Utf8JsonWriter json = new(stream, Readable);
            json.WriteStartArray();
            foreach (JsonElement run in earlier.RootElement.EnumerateArray())
            {
                run.WriteTo(json);
            }

            json.WriteStartObject();
            json.WriteString("time", now.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
            json.WritePropertyName(kind);
            write(json);
            json.WriteEndObject();
            json.WriteEndArray();
            json.Flush();
            stream.Write("\n"u8);
        });
        return path;
    }

    /// <summary>Reads the runs of one file.</summary>
    /// <exception cref="CliException">It is not an array of runs.</exception>
    public static JsonDocument Read(string path)
    {
        try
        {
            JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            return document.RootElement.ValueKind == JsonValueKind.Array
                ? document
                : throw CliException.BadData($"{path}: expected an array of runs, found {document.RootElement.ValueKind}");
        }
        catch (JsonException e)
        {
            throw CliException.BadData($"{path}: expected an array of runs, found malformed JSON: {e.Message}");
        }
    }
}
