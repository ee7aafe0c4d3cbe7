using System.Text.Json;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

/// <summary>Runs the reference's whole pipelines through the public options.</summary>
public sealed class GoldenPipelineTests
{
    public static TheoryData<string> Ids =>
        [.. SamplingGoldens.Cases.Where(c => Kind(c.Value) is "pipeline_hf" or "pipeline_openai").Select(c => c.Key)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Process_OptionsOfPipeline_MatchesReference(string id)
    {
        float[] logits = SamplingGoldens.Tensor(id, "logits")!;

        Create(id).Process(logits);

        GoldenAssert.Logits(SamplingGoldens.Tensor(id, "processed")!, logits);
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Next_LogProbsOfModel_MatchReference(string id)
    {
        Sampler sampler = Create(id);

        int token = sampler.Next(SamplingGoldens.Tensor(id, "logits"));

        Assert.Equal(token, sampler.LogProbs!.Chosen.Id);
        GoldenAssert.Top(SamplingGoldens.Cases[id].GetProperty("raw"), sampler.LogProbs);
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Next_ProcessedLogProbs_MatchReference(string id)
    {
        Sampler sampler = Create(id, processed: true);

        int token = sampler.Next(SamplingGoldens.Tensor(id, "logits"));

        Assert.True(float.IsFinite(SamplingGoldens.Tensor(id, "processed")![token]));
        GoldenAssert.Top(SamplingGoldens.Cases[id].GetProperty("processed"), sampler.LogProbs!);
    }

    private static string Kind(JsonElement golden) => golden.GetProperty("kind").GetString()!;

    private static Sampler Create(string id, bool processed = false)
    {
        JsonElement golden = SamplingGoldens.Cases[id];
        SamplingOptions options = new()
        {
            Seed = 1,
            LogProbs = 5,
            ProcessedLogProbs = processed,
            Order = Kind(golden) == "pipeline_openai" ? SamplingOrder.OpenAI : SamplingOrder.HuggingFace,
        };
        foreach (JsonElement step in golden.GetProperty("steps").EnumerateArray())
        {
            options = With(options, step);
        }

        int[] ids = SamplingGoldens.Ints(golden.GetProperty("history"));
        int promptLength = golden.GetProperty("prompt_length").GetInt32();
        Sampler sampler = new(options, golden.GetProperty("vocab").GetInt32(), ids.AsSpan(0, promptLength));
        foreach (int token in ids.AsSpan(promptLength))
        {
            sampler.Append(token);
        }

        return sampler;
    }

    private static SamplingOptions With(SamplingOptions options, JsonElement step)
    {
        string op = step.GetProperty("op").GetString()!;
        if (step.TryGetProperty("eos_token_id", out JsonElement end))
        {
            options = options with { EndIds = [end.GetInt32()] };
        }

        return op switch
        {
            "sequence_bias" => options with
            {
                LogitBias = Sequences().Where(b => b.Ids.Count == 1).ToDictionary(b => b.Ids[0], b => b.Bias),
                SequenceBiases = [.. Sequences().Where(b => b.Ids.Count > 1)],
            },
            "repetition_penalty" => options with { RepetitionPenalty = Float(op) },
            "presence_frequency" => options with
            {
                FrequencyPenalty = Float("frequency_penalty"),
                PresencePenalty = Float("presence_penalty"),
            },
            "no_repeat_ngram_size" => options with { NoRepeatNgram = Int(op) },
            "bad_words_ids" => options with { BannedSequences = [.. step.GetProperty(op).EnumerateArray().Select(SamplingGoldens.Ints)] },
            "min_new_tokens" => options with { MinNewTokens = Int(op) },
            "suppress_tokens" => options with { SuppressedIds = SamplingGoldens.Ints(step.GetProperty(op)) },
            "temperature" => options with { Temperature = Float(op) },
            "top_k" => options with { TopK = Int(op) },
            "top_p" => options with { TopP = Float(op) },
            "min_p" => options with { MinP = Float(op) },
            "typical_p" => options with { TypicalP = Float(op) },
            "renormalize_logits" => options with { Renormalize = true },
            _ => throw new InvalidOperationException($"unknown step {op}"),
        };

        int Int(string name) => step.GetProperty(name).GetInt32();

        float Float(string name) => step.GetProperty(name).GetSingle();

        IEnumerable<SequenceBias> Sequences() =>
            step.GetProperty(op).EnumerateArray().Select(b => new SequenceBias(SamplingGoldens.Ints(b[0]), b[1].GetSingle()));
    }
}
