using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Evaluation;
using FlexKernel.Evaluation.Batching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>A trained mixture with reference logits, greedy texts, nats of texts and likelihoods of choices (<c>expected.json</c>).</summary>
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
        using (LoadedModel model = new(Directory, new LoadOptions(), options, 1024))
        {
            CompareLogits(root, model, comparison);
            foreach (JsonElement item in root.GetProperty("greedy").EnumerateArray())
            {
                cancellationToken.ThrowIfCancellationRequested();
                CompareGreedy(item, model, comparison);
            }
        }

        // Thousands of sequences take minutes on the narrow paths, whose bits the other checks tie to the wide ones.
        if (options.Path < KernelPath.Bits256)
        {
            comparison.Skip("nats of the validation sets and likelihoods of choices, on this path");
            return;
        }

        LanguageModelOptions loading = new() { Path = options.Path, Threads = options.Threads };
        using LanguageModel evaluated = LanguageModel.Load(Directory, loading, cancellationToken: cancellationToken);
        CompareSets(root, evaluated, comparison, options, cancellationToken);
        ChoicesComparison.Run(Directory, evaluated, comparison, options, cancellationToken);
    }

    private static void CompareSets(
        JsonElement root, LanguageModel model, Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string? corpora = options.DataDirectory is null ? null : Path.Combine(options.DataDirectory, "corpora");
        if (!System.IO.Directory.Exists(corpora))
        {
            comparison.Skip("nats of the validation sets: no corpora/");
            return;
        }

        int window = root.GetProperty("window").GetInt32();
        foreach (JsonProperty set in root.GetProperty("sets").EnumerateObject())
        {
            IReadOnlyList<string> documents = EvaluationFile.ReadDocuments(Path.Combine(corpora, $"{set.Name}.valid.txt.gz"));
            foreach (JsonProperty run in set.Value.EnumerateObject())
            {
                CompareSet($"{set.Name} {run.Name}", run, documents, window, model, comparison, cancellationToken);
            }
        }
    }

    private static void CompareSet(
        string what,
        JsonProperty run,
        IReadOnlyList<string> documents,
        int window,
        LanguageModel model,
        Comparison comparison,
        CancellationToken cancellationToken)
    {
        int k = int.Parse(run.Name.AsSpan(1), CultureInfo.InvariantCulture), windows = run.Value.GetProperty("windows").GetInt32();
        TokenStream stream = new(documents, model.Tokenizer, model.Description.EndOfSequenceIds[0], windows * window + 1);
        int[] ids = [.. stream.Ids];
        string hash = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(ids)));
        comparison.Equal($"{what} ids", hash, run.Value.GetProperty("ids_sha256").GetString()!);
        SequenceBatcher batcher = new(model.Transformer, model.Gate, ExpertSelection.All, k);
        TextEvaluation scored = TextWindows.ScoreStream(
            batcher, stream, window, id => model.Tokenizer.GetTokenBytes(id).Length, null, cancellationToken);
        double expected = run.Value.GetProperty("nats").GetDouble();
        comparison.Near($"{what} nats", scored.Total.Nats, expected, NatsTolerance * expected);
        comparison.Equal($"{what} bytes", scored.Total.Bytes, run.Value.GetProperty("bytes").GetInt64());
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
