using System.Text.Json;
using FlexKernel.Sampling;

namespace FlexKernel.Verification;

/// <summary>
/// Logit processors, whole pipelines, log-probabilities, greedy choices and drawn distributions (<c>cases.jsonl</c> with
/// <c>cases.safetensors</c>, <c>greedy.jsonl</c>, <c>chi-square.jsonl</c>; those that are there).
/// </summary>
internal sealed class SamplingCase(string directory) : VerificationCase(directory)
{
    private const long Seed = 20260711;
    private const double RelativeTolerance = 1e-5;
    private const double ProbabilityTolerance = 1e-6;

    public override string Kind => "sampling";

    public static bool IsAt(string directory) => HasSteps(directory) || HasGreedy(directory) || HasDraws(directory);

    /// <summary>Compares what the steps of a case make of its logits, one after the other, and the log-probabilities.</summary>
    public static void CompareSteps(SamplingReference reference, Comparison comparison)
    {
        float[] logits = reference.Logits();
        reference.Apply(logits);
        comparison.Equal($"{reference.Id} kept", logits.Count(float.IsFinite), reference.Kept);
        if (!reference.ComparesKeptOnly)
        {
            comparison.Near<float>($"{reference.Id} logits", logits, reference.Processed, Tolerance);
            bool isEmpty = logits.All(float.IsNegativeInfinity);
            comparison.Equal($"{reference.Id} nothing left", isEmpty, reference.Probabilities is null);
            if (!isEmpty && reference.Probabilities is { } probabilities)
            {
                comparison.Near<double>($"{reference.Id} probabilities", Softmax(logits), probabilities, ProbabilityTolerance);
            }
        }

        CompareLogProbs(reference, "raw", reference.Logits(), comparison);
        CompareLogProbs(reference, "processed", [.. reference.Processed.Select(x => (float)x)], comparison);
    }

    /// <summary>Compares what the sampler's options make of a pipeline, and the likeliest tokens it reports.</summary>
    public static void ComparePipeline(SamplingReference reference, Comparison comparison)
    {
        float[] logits = reference.Logits();
        reference.CreateSampler(processedLogProbs: false).Process(logits);
        comparison.Near<float>($"{reference.Id} options", logits, reference.Processed, Tolerance);
        foreach (string of in (string[])["raw", "processed"])
        {
            Sampler sampler = reference.CreateSampler(processedLogProbs: of == "processed");
            int token = sampler.Next(reference.Logits());
            comparison.Equal($"{reference.Id} {of} chosen", sampler.LogProbs!.Chosen.Id, token);
            comparison.Equal($"{reference.Id} {of} drawn is kept", double.IsFinite(reference.Processed[token]), true);
            if (reference.LogProbs(of) is { } expected)
            {
                CompareTop($"{reference.Id} {of} of the sampler", expected, sampler.LogProbs, comparison);
            }
        }
    }

    /// <summary>Compares counts of drawn ids with a distribution.</summary>
    public static void CompareDraws(SamplingDraws draws, Comparison comparison)
    {
        int[] counts = draws.Draw(Seed);
        comparison.Near($"{draws.Id} statistic (seed {Seed})", draws.Statistic(counts), 0, draws.Critical);
        comparison.Equal<int>($"{draws.Id} impossible ids", [.. draws.ZeroIds.Select(id => counts[id])], new int[draws.ZeroIds.Length]);
        foreach (string name in (string[])["example_correct", "example_wrong"])
        {
            (int[] example, double expected, double pValue) = draws.Example(name);
            double statistic = draws.Statistic(example);
            comparison.Near($"{draws.Id} {name} statistic", statistic, expected, 1e-6 * Math.Max(expected, 1));
            comparison.Equal($"{draws.Id} {name} rejected", statistic > draws.Critical, pValue < 1e-6);
        }
    }

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        foreach (SamplingReference reference in HasSteps(Directory) ? SamplingReference.Read(Directory) : [])
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompareSteps(reference, comparison);
            if (reference.IsPipeline && !reference.ComparesKeptOnly)
            {
                ComparePipeline(reference, comparison);
            }
        }

        foreach (GreedyReference greedy in HasGreedy(Directory) ? GreedyReference.Read(Directory) : [])
        {
            Sampler sampler = new(new SamplingOptions { Temperature = 0 }, greedy.Values.Length, []);
            comparison.Equal(greedy.Id, sampler.Next(greedy.Values), greedy.Token);
        }

        foreach (SamplingDraws draws in HasDraws(Directory) ? SamplingDraws.Read(Directory) : [])
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompareDraws(draws, comparison);
        }
    }

    private static bool HasSteps(string directory) =>
        File.Exists(Path.Combine(directory, SamplingReference.VectorsFile))
        && Json.FirstLineHas(Path.Combine(directory, SamplingReference.CasesFile), "steps", "kept");

    private static bool HasGreedy(string directory) =>
        Json.FirstLineHas(Path.Combine(directory, GreedyReference.FileName), "logits", "token");

    private static bool HasDraws(string directory) =>
        Json.FirstLineHas(Path.Combine(directory, SamplingDraws.FileName), "draws", "critical");

    private static double Tolerance(double expected) => RelativeTolerance * Math.Max(1, Math.Abs(expected));

    private static void CompareLogProbs(SamplingReference reference, string of, float[] logits, Comparison comparison)
    {
        if (reference.LogProbs(of) is not { } expected)
        {
            return;
        }

        LogProbabilities actual = new(logits.Length, 5);
        actual.Capture(logits);
        actual.Choose(expected.GetProperty("chosen").GetInt32());
        double chosen = expected.GetProperty("logprob").GetDouble();
        comparison.Near($"{reference.Id} {of} log-probability", actual.Chosen.LogProb, chosen, Tolerance(chosen));
        comparison.Equal($"{reference.Id} {of} rank", actual.Rank, expected.GetProperty("rank").GetInt32());
        CompareTop($"{reference.Id} {of}", expected, actual, comparison);
    }

    private static void CompareTop(string what, JsonElement expected, LogProbabilities actual, Comparison comparison)
    {
        JsonElement[] top = [.. expected.GetProperty("top5").EnumerateArray()];
        TokenLogProb[] found = actual.Top.ToArray();
        comparison.Equal<int>($"{what} likeliest", [.. found.Select(t => t.Id)], [.. top.Select(t => t[0].GetInt32())]);
        double[] expectedLogProbs = [.. top.Select(t => t[1].GetDouble())];
        comparison.Near<float>($"{what} log-probabilities", [.. found.Select(t => t.LogProb)], expectedLogProbs, Tolerance);
    }

    private static double[] Softmax(float[] logits)
    {
        double maximum = logits.Max();
        double[] weights = [.. logits.Select(x => Math.Exp(x - maximum))];
        double total = weights.Sum();
        return [.. weights.Select(w => w / total)];
    }
}
