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

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
