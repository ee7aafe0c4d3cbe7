using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FlexKernel.Caching;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Text;

namespace FlexKernel.Verification;

/// <summary>A trained mixture with reference logits, greedy texts and nats on validation sets (<c>expected.json</c>).</summary>
internal sealed class MixtureCase(string directory) : VerificationCase(directory)
{
    private const string ExpectedFile = "expected.json";
    private const double LogitTolerance = 1e-4;
    private const double NatsTolerance = 1e-5;

    public override string Kind => "mixture";

    public static bool IsAt(string directory)
    {
        string path = Path.Combine(directory, ExpectedFile);
        return File.Exists(path) && File.Exists(Path.Combine(directory, "config.json")) && Json.HasMembers(path, "greedy", "logits_ids");
    }

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, ExpectedFile));
        JsonElement root = document.RootElement;
        using LoadedModel model = new(Directory, new LoadOptions(), options, 1024);
        CompareLogits(root, model, comparison);
        foreach (JsonElement item in root.GetProperty("greedy").EnumerateArray())
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompareGreedy(item, model, comparison);
        }

        CompareSets(root, model, comparison, options, cancellationToken);
    }

    // The nine validation sets take minutes on the narrow paths, whose bits the other checks tie to the wide ones.
    private void CompareSets(
        JsonElement root, LoadedModel model, Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string? corpora = options.DataDirectory is null ? null : Path.Combine(options.DataDirectory, "corpora");
        if (!System.IO.Directory.Exists(corpora) || options.Path < KernelPath.Bits256)
        {
            comparison.Skip(options.Path < KernelPath.Bits256 ? "nats of the validation sets, on this path" : "nats of the validation sets: no corpora/");
            return;
        }

        ByteLevelBpeTokenizer tokenizer = ByteLevelBpeTokenizer.Load(Path.Combine(Directory, "tokenizer.json"));
        int window = root.GetProperty("window").GetInt32();
        foreach (JsonProperty set in root.GetProperty("sets").EnumerateObject())
        {
            cancellationToken.ThrowIfCancellationRequested();
            ValidationSet texts = ValidationSet.Read(Path.Combine(corpora, $"{set.Name}.valid.txt.gz"), tokenizer, model.Description.EndOfSequenceIds[0]);
            foreach (JsonProperty run in set.Value.EnumerateObject())
            {
                CompareSet($"{set.Name} {run.Name}", run, texts, window, model, comparison);
            }
        }
    }

    private static void CompareSet(string what, JsonProperty run, ValidationSet texts, int window, LoadedModel model, Comparison comparison)
    {
        int k = int.Parse(run.Name.AsSpan(1), CultureInfo.InvariantCulture), windows = run.Value.GetProperty("windows").GetInt32();
        ReadOnlySpan<int> ids = texts.Ids(windows * window + 1);
        comparison.Equal($"{what} ids", Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(ids))), run.Value.GetProperty("ids_sha256").GetString()!);
        double nats = 0;
        for (int begin = 0; begin + window < ids.Length; begin += window)
        {
            int[] targets = ids.Slice(begin + 1, window).ToArray();
            int row = 0;
            using Sequence sequence = model.Transformer.StartSequence(activeExperts: k);
            model.Run(sequence, ids.Slice(begin, window), LogitRows.All, null, logits => nats += ReferenceLosses.NegativeLogLikelihood(logits, targets[row++]));
        }

        double expected = run.Value.GetProperty("nats").GetDouble();
        comparison.Near($"{what} nats", nats, expected, NatsTolerance * expected);
    }

    private void CompareLogits(JsonElement root, LoadedModel model, Comparison comparison)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(Directory, WeightFiles.ExpectedOutputsFileName));
        float[] logits = [.. model.Logits(Json.Ints(root.GetProperty("logits_ids")))];
        comparison.Near("logits", logits, expected["logits"].ReadDoubles(), LogitTolerance);
    }

    private static void CompareGreedy(JsonElement item, LoadedModel model, Comparison comparison)
    {
        int[] expected = Json.Ints(item.GetProperty("continuation"));
        int[] ids = model.Greedy(Json.Ints(item.GetProperty("ids")), expected.Length);
        comparison.Equal<int>($"greedy after \"{item.GetProperty("prompt").GetString()}\"", ids, expected);
    }
}
