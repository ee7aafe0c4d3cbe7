using System.Text.Json;

namespace FlexKernel.Verification;

/// <summary>Logits and the id that greedy sampling takes from them: the largest, the lowest id among equals.</summary>
/// <param name="Id">The name of the case.</param>
/// <param name="Values">The logits; negative infinity is possible.</param>
/// <param name="Token">The id.</param>
internal sealed record GreedyReference(string Id, float[] Values, int Token)
{
    public const string FileName = "greedy.jsonl";

    public static IEnumerable<GreedyReference> Read(string directory) => Json.Lines(Path.Combine(directory, FileName)).Select(json =>
        new GreedyReference(json.GetProperty("id").GetString()!, Logits(json), json.GetProperty("token").GetInt32()));

    /// <summary>The member <c>logits</c>, in which negative infinity is the text <c>-inf</c>.</summary>
    public static float[] Logits(JsonElement json) => [.. json.GetProperty("logits").EnumerateArray().Select(value =>
        value.ValueKind == JsonValueKind.String && value.ValueEquals("-inf") ? float.NegativeInfinity : value.GetSingle())];
}
