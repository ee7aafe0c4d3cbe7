using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>
/// A tiny checkpoint with what the reference computes from it: logits, hidden states, routing, greedy continuations, losses, embeddings,
/// under several configurations and with experts removed (<c>case.json</c>, <c>expected.safetensors</c>).
/// </summary>
internal sealed class ModelCase(string directory) : VerificationCase(directory)
{
    private const string CaseFile = "case.json";

    public override string Kind => "model";

    public static bool IsAt(string directory)
    {
        string path = Path.Combine(directory, CaseFile);
        return File.Exists(path) && File.Exists(Path.Combine(directory, WeightFiles.ExpectedOutputsFileName)) && Json.HasMembers(path, "runs", "sequences");
    }

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, CaseFile));
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Directory, WeightFiles.ExpectedOutputsFileName));
        JsonElement root = document.RootElement;
        Dictionary<int, int[]> sequences = root.GetProperty("sequences").EnumerateArray()
            .ToDictionary(s => s.GetProperty("id").GetInt32(), s => Json.Ints(s.GetProperty("ids")));
        foreach (JsonElement run in root.GetProperty("runs").EnumerateArray())
        {
            cancellationToken.ThrowIfCancellationRequested();
            new ModelRun(Directory, run, sequences, expected, comparison, options).Compare(root);
        }

        CompareEquivalents(root, sequences, comparison, options);
    }

    // Other forms of the same checkpoint must load as the same model, bit for bit.
    private void CompareEquivalents(JsonElement root, Dictionary<int, int[]> sequences, Comparison comparison, VerificationOptions options)
    {
        if (!root.TryGetProperty("equivalents", out JsonElement equivalents))
        {
            return;
        }

        float[]? original = null;
        foreach (JsonProperty form in equivalents.EnumerateObject())
        {
            original ??= Logits(Directory, new LoadOptions(), sequences, options);
            bool isConfig = form.Name.EndsWith(".json", StringComparison.Ordinal);
            float[] other = isConfig
                ? Logits(Directory, new LoadOptions { ConfigFile = form.Name }, sequences, options)
                : Logits(Path.Combine(Directory, form.Name), new LoadOptions(), sequences, options);
            comparison.Equal<float>($"equivalent {form.Name}", other, original);
        }
    }

    private static float[] Logits(string directory, LoadOptions load, Dictionary<int, int[]> sequences, VerificationOptions options)
    {
        using LoadedModel model = new(directory, load, options, sequences.Values.Max(s => s.Length));
        List<float> all = [];
        foreach (int[] ids in sequences.Values)
        {
            all.AddRange(model.Logits(ids));
        }

        return [.. all];
    }
}
