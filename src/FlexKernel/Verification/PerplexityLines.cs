using System.Text.Json;
using FlexKernel.Evaluation;
using FlexKernel.Text;

namespace FlexKernel.Verification;

/// <summary>Lines of texts with the log-probabilities of their tokens, then aggregates of those before and of other numbers.</summary>
/// <param name="comparison">Takes the comparisons.</param>
/// <param name="tokenizer">Encodes the texts, or null.</param>
internal sealed class PerplexityLines(Comparison comparison, ByteLevelBpeTokenizer? tokenizer)
{
    private readonly List<TextScore> _scores = [];

    public void Compare(string id, JsonElement line)
    {
        if (line.TryGetProperty("aggregate", out JsonElement aggregate))
        {
            CompareScore(id, TextScore.Sum(_scores), aggregate);
        }
        else if (line.TryGetProperty("loglikelihood_perplexity", out JsonElement continuations))
        {
            double perplexity = TextScore.OfContinuations(Json.Doubles(continuations.GetProperty("items")));
            EvalCase.Near(comparison, $"{id} perplexity", perplexity, continuations.GetProperty("perplexity"));
        }
        else if (line.TryGetProperty("summary", out JsonElement summary))
        {
            CompareSummary(id, summary);
        }
        else
        {
            string text = line.GetProperty("text").GetString()!;
            TextScore score = TextScore.Of(text, Json.Doubles(line.GetProperty("logprobs")));
            _scores.Add(score);
            CompareScore(id, score, line);
            if (tokenizer is not null && line.TryGetProperty("ids_first4096", out JsonElement ids))
            {
                comparison.Equal<int>($"{id} ids", tokenizer.Encode(text), Json.Ints(ids));
            }
        }
    }

    // What is not stated is not defined, as a rate of no bytes.
    private void CompareScore(string id, TextScore score, JsonElement expected)
    {
        (string Name, double? Value)[] figures =
        [
            ("sum", score.LogLikelihood),
            ("words", score.Words),
            ("bytes", score.Bytes),
            ("tokens", score.Tokens),
            ("word_perplexity", score.WordPerplexity),
            ("byte_perplexity", score.BytePerplexity),
            ("bits_per_byte", score.BitsPerByte),
            ("token_perplexity", score.TokenPerplexity),
            ("nats_per_token", score.NatsPerToken),
        ];
        foreach ((string name, double? value) in figures)
        {
            if (expected.TryGetProperty(name, out JsonElement figure))
            {
                EvalCase.Near(comparison, $"{id} {name}", value!.Value, figure);
            }
        }
    }

    private void CompareSummary(string id, JsonElement summary)
    {
        SampleStatistics statistics = SampleStatistics.Of(Json.Doubles(summary.GetProperty("values")));
        (string Name, double Value)[] figures =
        [
            ("mean", statistics.Mean),
            ("median", statistics.Median),
            ("sample_stddev", statistics.SampleDeviation),
            ("stderr", statistics.StandardError),
            ("pop_stddev", statistics.PopulationDeviation),
        ];
        foreach ((string name, double value) in figures)
        {
            if (summary.TryGetProperty(name, out JsonElement figure))
            {
                EvalCase.Near(comparison, $"{id} {name}", value, figure);
            }
        }
    }
}
