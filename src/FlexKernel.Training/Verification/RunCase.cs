using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FlexKernel.Evaluation;
using FlexKernel.Kernels;
using FlexKernel.Text;
using FlexKernel.Training.Optimizers;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>
/// Hundreds of steps on text, from the first weights on: the loss of every step, and bits per byte of other text after the last
/// (<c>case.json</c>; the text lies in <c>corpora/</c> of the data directory). A rate at which training amplifies rounding is compared with a band
/// (<c>high_rate.json</c>).
/// </summary>
internal sealed class RunCase(string directory) : VerificationCase(directory)
{
    private const string TokenizerFile = "tokenizer/dolma2-first4096.tokenizer.json";
    private const string HighRateFile = "high_rate.json";
    private const double RateTolerance = 1e-12;
    private const int EarlySteps = 50;
    private const int TrainingBytes = 1_000_000, ValidationBytes = 100_000;

    public override string Kind => "run";

    public static bool IsAt(string directory) => TrainingCases.HasCase(directory, "data", "validation", "loss_float32");

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string data = options.DataDirectory ?? "", tokenizerPath = Path.Combine(data, TokenizerFile);
        if (!System.IO.Directory.Exists(Path.Combine(data, "corpora")) || !File.Exists(tokenizerPath))
        {
            comparison.Skip($"no corpora/ and {TokenizerFile} in the data directory");
            return;
        }

        // Minutes on the narrow paths, whose bits other tests tie to the wide ones.
        if (options.Path < KernelPath.Bits256)
        {
            comparison.Skip("the run, on this path");
            return;
        }

        ByteLevelBpeTokenizer tokenizer = ByteLevelBpeTokenizer.Load(tokenizerPath);
        CompareRun(comparison, TrainingCases.CaseFile, new Band(1e-4, 1e-4, 1e-4), tokenizer, data, options, cancellationToken);
        if (File.Exists(Path.Combine(Directory, HighRateFile)))
        {
            CompareRun(comparison, HighRateFile, new Band(0.02, 0.1, 5e-3), tokenizer, data, options, cancellationToken);
        }
    }

    private void CompareRun(
        Comparison comparison,
        string file,
        Band band,
        ByteLevelBpeTokenizer tokenizer,
        string data,
        VerificationOptions options,
        CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, file));
        JsonElement root = document.RootElement, hyper = root.GetProperty("hyper");
        using TrainableModel model = TrainableModel.Load(Directory, new TrainingOptions { Path = options.Path, Threads = options.Threads });
        ParameterGroup[] groups = RecipeJson.Groups(root, model);
        LearningRateSchedule schedule = RecipeJson.Schedule(hyper);
        int context = hyper.GetProperty("context").GetInt32(), size = hyper.GetProperty("batch").GetInt32();
        int[] stream = Stream(comparison, data, root.GetProperty("data"), root.GetProperty("data"), tokenizer, TrainingBytes, out _);
        TrainingSequence[] chunks = Chunks(stream, context);
        double[] losses = Json.Doubles(root.GetProperty("loss_float32")), rates = Json.Doubles(root.GetProperty("learning_rate"));
        comparison.Equal<int>("first batch", chunks[0].Ids, Json.Ints(root.GetProperty("first_batch_ids")).AsSpan(0, context));
        comparison.Near<double>("rates", [.. Enumerable.Range(1, schedule.Steps).Select(schedule.At)], rates, RateTolerance);
        for (int step = 1; step <= schedule.Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            model.ClearGradients();
            LossTerms terms = model.AccumulateGradients(chunks[((step - 1) * size)..(step * size)], new LossWeights(), cancellationToken);
            comparison.Near(string.Create(CultureInfo.InvariantCulture, $"{file}: loss of step {step}"), terms.Loss, losses[step - 1], step <= EarlySteps ? band.Early : band.Late);
            GradientNorm.Clip([.. model.TrainableParameters], hyper.GetProperty("clip_norm").GetDouble());
            Array.ForEach(groups, group => group.Update(step, schedule.At(step)));
        }

        CompareBits(comparison, root, band.Bits, model, tokenizer, data, context, cancellationToken);
    }

    private static void CompareBits(
        Comparison comparison, JsonElement root, double tolerance, TrainableModel model, ByteLevelBpeTokenizer tokenizer, string data, int context, CancellationToken cancellationToken)
    {
        int[] stream = Stream(comparison, data, root.GetProperty("validation"), root.GetProperty("data"), tokenizer, ValidationBytes, out long bytes);
        List<TrainingSequence> windows = [];
        for (int begin = 0; begin + 1 < stream.Length; begin += context)
        {
            int end = Math.Min(begin + context, stream.Length - 1);
            windows.Add(new TrainingSequence(stream[begin..end], stream[(begin + 1)..(end + 1)]));
        }

        LossTerms terms = model.ComputeLoss(windows, new LossWeights(), cancellationToken);
        double expected = root.GetProperty("final").GetProperty("bits_per_byte_float32").GetDouble();
        comparison.Near("bits per byte", terms.CrossEntropy * terms.Targets / Math.Log(2) / bytes, expected, tolerance * expected);
    }

    // Whole documents from the start while their bytes fit, each between separators.
    private static int[] Stream(
        Comparison comparison, string data, JsonElement part, JsonElement run, ByteLevelBpeTokenizer tokenizer, int limit, out long bytes)
    {
        string corpus = part.GetProperty("corpus").GetString()!;
        List<string> documents = [];
        bytes = 0;
        foreach (string text in EvaluationFile.ReadDocuments(Path.Combine(data, "corpora", corpus)))
        {
            int length = Encoding.UTF8.GetByteCount(text);
            if (bytes + length > limit)
            {
                break;
            }

            bytes += length;
            documents.Add(text);
        }

        int[] ids = [.. new TokenStream(documents, tokenizer, run.GetProperty("eot").GetInt32()).Ids];
        comparison.Equal($"bytes of {corpus}", bytes, part.GetProperty("bytes").GetInt64());
        comparison.Equal(
            $"ids of {corpus}",
            Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(ids))),
            part.GetProperty("sha256_uint32_le").GetString()!);
        return ids;
    }

    // Chunks overlap by one id; their order is that of a multiplicative hash of their index.
    private static TrainingSequence[] Chunks(int[] ids, int length) =>
        [.. Enumerable.Range(0, (ids.Length - 1) / length)
            .OrderBy(i => unchecked((uint)i * 2654435761u))
            .Select(i => new TrainingSequence(ids[(i * length)..((i + 1) * length)], ids[(i * length + 1)..((i + 1) * length + 1)]))];

    /// <summary>How far a run may be from the reference's.</summary>
    /// <param name="Early">Of the loss of the first 50 steps.</param>
    /// <param name="Late">Of the loss of later ones.</param>
    /// <param name="Bits">Of bits per byte, relative.</param>
    private readonly record struct Band(double Early, double Late, double Bits);
}
