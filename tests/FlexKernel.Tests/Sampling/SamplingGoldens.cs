using System.Text.Json;
using FlexKernel.Checkpoints;

namespace FlexKernel.Tests.Sampling;

/// <summary>The cases dumped from the reference implementation: <c>cases.jsonl</c> and the vectors beside it.</summary>
internal static class SamplingGoldens
{
    private static readonly Lazy<Dictionary<string, JsonElement>> LazyCases =
        new(() => Lines("cases.jsonl").ToDictionary(c => c.GetProperty("id").GetString()!));

    private static readonly Lazy<Dictionary<string, float[]>> LazyTensors = new(ReadTensors);

    public static IReadOnlyDictionary<string, JsonElement> Cases => LazyCases.Value;

    /// <summary>The vector <c>ID.name</c>, as a copy; null when the case lacks it.</summary>
    public static float[]? Tensor(string id, string name) =>
        LazyTensors.Value.TryGetValue($"{id}.{name}", out float[]? values) ? [.. values] : null;

    public static IEnumerable<JsonElement> Lines(string file) =>
        File.ReadLines(TestData.Fixture($"sampling/{file}")).Select(line => JsonDocument.Parse(line).RootElement);

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>A vector of numbers, with negative infinity written as a string.</summary>
    public static float[] Floats(JsonElement array) =>
        [.. array.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? float.NegativeInfinity : e.GetSingle())];

    private static Dictionary<string, float[]> ReadTensors()
    {
        using SafetensorsFile file = SafetensorsFile.Open(TestData.Fixture("sampling/cases.safetensors"));
        return file.Header.Tensors.ToDictionary(entry => entry.Name, entry => file[entry.Name].ReadSingles());
    }
}
