using System.Globalization;
using System.Text.Json;
using FlexKernel.Evaluation;

namespace FlexKernel.Verification;

/// <summary>Compares the likelihood of every choice and every decision (<c>continuation-mc.expected.jsonl</c>).</summary>
internal static class ChoicesComparison
{
    private const string QuestionsFile = "bench/continuation-mc.jsonl";
    private const string ExpectedFile = "continuation-mc.expected.jsonl";
    private const double Tolerance = 1e-3;

    // Router logits of order 1 to 10 in float32: below this the rounding of either side decides which expert runs.
    private const double Tie = 1e-5;

    /// <summary>Compares, if both questions and expected values are there.</summary>
    public static void Run(
        string directory, LanguageModel model, Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string expectedFile = Path.Combine(directory, ExpectedFile);
        string? questions = options.DataDirectory is null ? null : Path.Combine(options.DataDirectory, QuestionsFile);
        if (!File.Exists(expectedFile))
        {
            return;
        }

        if (!File.Exists(questions))
        {
            comparison.Skip($"likelihoods of choices: no {QuestionsFile}");
            return;
        }

        IReadOnlyList<ChoiceResult> results =
            new Evaluator(model).ScoreChoices(EvaluationFile.ReadChoices(questions), null, cancellationToken);
        Dictionary<string, ChoiceResult> found = results.ToDictionary(result => result.Item.Id, StringComparer.Ordinal);
        foreach (string text in File.ReadLines(expectedFile).Where(text => text.Length > 0))
        {
            using JsonDocument line = Json.Parse(text);
            string id = line.RootElement.GetProperty("id").GetString()!;
            ChoiceResult result = found[id];
            double[] expected = Json.Doubles(line.RootElement.GetProperty("loglikelihood"));
            comparison.Equal($"{id} choices", result.LogLikelihoods.Count, expected.Length);
            for (int choice = 0; choice < Math.Min(expected.Length, result.LogLikelihoods.Count); choice++)
            {
                Compare($"{id} choice {choice}", result, choice, expected[choice], model, comparison);
            }

            comparison.Equal($"{id} pred", result.Score.Pred, line.RootElement.GetProperty("pred").GetInt32());
            comparison.Equal($"{id} pred_bytes", result.Score.PredBytes, line.RootElement.GetProperty("pred_bytes").GetInt32());
        }
    }

    private static void Compare(string what, ChoiceResult result, int choice, double expected, LanguageModel model, Comparison comparison)
    {
        double actual = result.LogLikelihoods[choice];
        if (!(Math.Abs(actual - expected) <= Tolerance))
        {
            double gap = RoutingGap.Of(model, PairEncoding.Of(model.Tokenizer, result.Item.Context, result.Item.Choices[choice]).Whole);
            if (gap < Tie)
            {
                comparison.Skip(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{what}: {actual:F5}, expected {expected:F5}, but two experts are {gap:G2} apart: rounding decides"));
                return;
            }
        }

        comparison.Near($"{what} log-likelihood", actual, expected, Tolerance);
    }
}
