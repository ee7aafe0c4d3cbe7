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

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
