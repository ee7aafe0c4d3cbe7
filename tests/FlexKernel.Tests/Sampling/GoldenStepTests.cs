using System.Numerics.Tensors;
using System.Text.Json;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

/// <summary>Applies the steps of each reference case one by one, in whatever order the case gives.</summary>
public sealed class GoldenStepTests
{
    public static TheoryData<string> Ids => [.. SamplingGoldens.Cases.Keys];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Steps_InTheGivenOrder_MatchReference(string id)
    {
        JsonElement golden = SamplingGoldens.Cases[id];
        float[] logits = SamplingGoldens.Tensor(id, "logits")!;

        foreach (JsonElement step in golden.GetProperty("steps").EnumerateArray())
        {
            Apply(step, golden, logits);
        }

        Assert.Equal(golden.GetProperty("kept").GetInt32(), logits.Count(float.IsFinite));
        if (!golden.TryGetProperty("note", out JsonElement note))
        {
            GoldenAssert.Logits(SamplingGoldens.Tensor(id, "processed")!, logits);
            float[]? probabilities = SamplingGoldens.Tensor(id, "probs");
            Assert.Equal(probabilities is null, logits.All(float.IsNegativeInfinity));
            if (probabilities is not null)
            {
                GoldenAssert.Probabilities(probabilities, Softmax(logits));
            }
        }
        else
        {
            Assert.Equal("compare kept only", note.GetString());
        }
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void LogProbabilities_OfGivenAndProcessedLogits_MatchReference(string id)
    {
        JsonElement golden = SamplingGoldens.Cases[id];
        foreach (string kind in (string[])["raw", "processed"])
        {
            if (golden.TryGetProperty(kind, out JsonElement expected))
            {
                float[] logits = SamplingGoldens.Tensor(id, kind == "raw" ? "logits" : "processed")!;
                LogProbabilities actual = new(logits.Length, 5);

                actual.Capture(logits);
                actual.Choose(expected.GetProperty("chosen").GetInt32());

                GoldenAssert.LogProbs(expected, actual);
            }
        }
    }

    private static void Apply(JsonElement step, JsonElement golden, float[] logits)
    {
        string op = step.GetProperty("op").GetString()!;
        int minimum = step.TryGetProperty("min_tokens_to_keep", out JsonElement m) ? m.GetInt32() : 1;
        int[] ids = SamplingGoldens.Ints(golden.GetProperty("history"));
        TokenHistory history = new(ids.AsSpan(0, Int("prompt_length")), 0);
        foreach (int id in ids.AsSpan(history.PromptLength))
        {
            history.Add(id);
        }

        object? action = op switch
        {
            "temperature" or "renormalize_logits" => null,
            "sequence_bias" => new BiasProcessor(step.GetProperty(op).EnumerateArray().Select(
                b => new SequenceBias(SamplingGoldens.Ints(b[0]), b[1].GetSingle()))),
            "repetition_penalty" => new RepetitionPenalty(Float(op), new TokenCounts(logits.Length, Int("prompt_ignore_length"), 0)),
            "presence_frequency" => new FrequencyPenalty(
                Float("frequency_penalty"), Float("presence_penalty"), new TokenCounts(logits.Length, Int("count_from"), 0)),
            "no_repeat_ngram_size" => new NoRepeatNgram(Int(op)),
            "bad_words_ids" => BiasProcessor.Ban(step.GetProperty(op).EnumerateArray().Select(SamplingGoldens.Ints), [Int("eos_token_id")]),
            "min_new_tokens" => new Suppression([Int("eos_token_id")], Int(op)),
            "suppress_tokens" => new Suppression(SamplingGoldens.Ints(step.GetProperty(op)), int.MaxValue),
            "top_k" => new TopK(Int(op), minimum),
            "top_p" when Float(op) == 1 => null, // off: every candidate stays
            "top_p" => new TopP(Float(op), minimum),
            "min_p" => new MinP(Float(op), minimum),
            "typical_p" => new TypicalP(Float(op), minimum),
            "epsilon_cutoff" => new EpsilonCutoff(Float(op), minimum),
            "eta_cutoff" => new EtaCutoff(Float(op), minimum),
            _ => throw new InvalidOperationException($"unknown step {op}"),
        };

        if (action is ILogitProcessor processor)
        {
            processor.Apply(logits, history);
        }
        else if (action is ICandidateFilter filter)
        {
            Candidates candidates = new(logits.Length);
            candidates.Load(logits);
            filter.Apply(candidates);
            candidates.Mask(logits);
        }
        else if (op == "temperature")
        {
            TensorPrimitives.Divide(logits, Float(op), logits);
        }
        else if (op == "renormalize_logits")
        {
            PortableMath.LogSoftmax(logits, logits);
        }

        int Int(string name) => step.TryGetProperty(name, out JsonElement value) ? value.GetInt32() : 0;

        float Float(string name) => step.GetProperty(name).GetSingle();
    }

    private static double[] Softmax(float[] logits)
    {
        double[] weights = [.. logits.Select(x => Math.Exp((double)x - logits.Max()))];
        double total = weights.Sum();
        return [.. weights.Select(w => w / total)];
    }
}
