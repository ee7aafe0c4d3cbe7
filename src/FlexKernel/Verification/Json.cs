using System.Text.Json;

namespace FlexKernel.Verification;

/// <summary>Reads the JSON files of reference cases.</summary>
internal static class Json
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    public static JsonDocument Read(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return JsonDocument.Parse(stream, Strict);
    }

    public static JsonDocument Parse(string line) => JsonDocument.Parse(line, Strict);

    /// <summary>Whether a file has all of some members; one that cannot be read counts as having them, so that its case fails and says why.</summary>
    public static bool HasMembers(string path, params ReadOnlySpan<string> names)
    {
        try
        {
            using JsonDocument document = Read(path);
            foreach (string name in names)
            {
                if (!document.RootElement.TryGetProperty(name, out _))
                {
                    return false;
                }
            }

            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException)
        {
            return true;
        }
    }

    /// <summary>The objects of a file that has one per line.</summary>
    /// <exception cref="JsonException">A line is not acceptable JSON; the message names it.</exception>
    public static IEnumerable<JsonElement> Lines(string path)
    {
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            yield return Line(path, number, line);
        }
    }

    /// <summary>
    /// Whether the first line of a file is an object that has all of some members; one that cannot be read counts as having them, a file
    /// that is missing does not.
    /// </summary>
    public static bool FirstLineHas(string path, params ReadOnlySpan<string> names)
    {
        try
        {
            JsonElement first = File.Exists(path) ? Lines(path).FirstOrDefault() : default;
            foreach (string name in names)
            {
                if (first.ValueKind != JsonValueKind.Object || !first.TryGetProperty(name, out _))
                {
                    return false;
                }
            }

            return true;
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            return true;
        }
    }

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    public static double[] Doubles(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetDouble())];

    public static float[] Floats(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetSingle())];

    public static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    private static JsonElement Line(string path, int number, string line)
    {
        try
        {
            return JsonElement.Parse(line, Strict);
        }
        catch (JsonException e)
        {
            throw new JsonException($"{path}, line {number}: {e.Message}", e);
        }
    }
}
