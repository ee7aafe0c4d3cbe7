using System.Text;
using System.Text.Json;
using FlexKernel.Evaluation;
using FlexKernel.Evaluation.Python;

namespace FlexKernel.Verification;

/// <summary>Lines of scored choices, then one with the means of those before it.</summary>
internal sealed class MultipleChoiceLines(Comparison comparison)
{
    private readonly Dictionary<string, List<double>> _scores = new(StringComparer.Ordinal);

    public void Compare(string id, JsonElement line)
    {
        if (line.TryGetProperty("aggregate", out JsonElement aggregate))
        {
            CompareMeans(id, aggregate);
            return;
        }

        string[] choices = Json.Strings(line.GetProperty("choices"));
        double[] logLikelihoods = Json.Doubles(line.GetProperty("loglikelihood"));
        double[] unconditional = line.TryGetProperty("unconditional", out JsonElement given) ? Json.Doubles(given) : [];
        MultipleChoiceScore score = MultipleChoiceScore.Of(choices, logLikelihoods, unconditional);
        comparison.Equal($"{id} pred", score.Pred, line.GetProperty("pred").GetInt32());
        comparison.Equal($"{id} pred_norm", score.PredNorm, line.GetProperty("pred_norm").GetInt32());
        comparison.Equal($"{id} pred_bytes", score.PredBytes, line.GetProperty("pred_bytes").GetInt32());
        comparison.Equal<int>($"{id} chars", choices.Select(PythonText.CodePoints).ToArray(), Json.Ints(line.GetProperty("chars")));
        comparison.Equal<int>($"{id} bytes", choices.Select(Encoding.UTF8.GetByteCount).ToArray(), Json.Ints(line.GetProperty("bytes")));
        double[] softmax = Json.Doubles(line.GetProperty("softmax"));
        double[] probabilities = MultipleChoiceScore.Softmax(logLikelihoods);
        for (int i = 0; i < softmax.Length; i++)
        {
            EvalCase.Near(comparison, $"{id} softmax", probabilities[i], line.GetProperty("softmax")[i]);
        }

        // A reference outside the choices is never right.
        int gold = line.GetProperty("gold").GetInt32();
        bool isGreedy = gold >= 0 && gold < choices.Length && line.GetProperty("is_greedy")[gold].GetBoolean();
        Add(id, "acc", score.Pred == gold, line);
        Add(id, "acc_norm", score.PredNorm == gold, line);
        Add(id, "acc_bytes", score.PredBytes == gold, line);
        Add(id, "exact_match", isGreedy, line);
        if (score.PredMutualInformation is { } mutual)
        {
            Add(id, "acc_mutual_info", mutual == gold, line);
        }
    }

    private void Add(string id, string metric, bool isRight, JsonElement line)
    {
        double score = isRight ? 1 : 0;
        EvalCase.Near(comparison, $"{id} {metric}", score, line.GetProperty(metric));
        if (!_scores.TryGetValue(metric, out List<double>? scores))
        {
            _scores.Add(metric, scores = []);
        }

        scores.Add(score);
    }

    private void CompareMeans(string id, JsonElement aggregate)
    {
        foreach (JsonProperty metric in aggregate.EnumerateObject())
        {
            SampleStatistics statistics = SampleStatistics.Of([.. _scores[metric.Name]]);
            EvalCase.Near(comparison, $"{id} {metric.Name}", statistics.Mean, metric.Value.GetProperty("mean"));
            EvalCase.Near(comparison, $"{id} {metric.Name} stderr", statistics.StandardError, metric.Value.GetProperty("stderr"));
        }
    }
}
