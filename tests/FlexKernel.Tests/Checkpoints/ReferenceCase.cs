using System.Text.Json;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>A file with the verdict of the reference parser.</summary>
internal sealed record ReferenceCase(string Name, string Expect, string? Error, int? Tensors, byte[] Content)
{
    public static IReadOnlyList<ReferenceCase> All { get; } =
        [.. File.ReadLines(TestData.Fixture("safetensors/cases.jsonl")).Select(Parse)];

    public static ReferenceCase Get(string name) => All.Single(item => item.Name == name);

    private static ReferenceCase Parse(string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement item = document.RootElement;
        JsonElement tensors = item.GetProperty("tensors");
        return new ReferenceCase(
            item.GetProperty("name").GetString()!,
            item.GetProperty("expect").GetString()!,
            item.GetProperty("reference_error").GetString(),
            tensors.ValueKind == JsonValueKind.Number ? tensors.GetInt32() : null,
            item.GetProperty("base64").GetBytesFromBase64());
    }
}
