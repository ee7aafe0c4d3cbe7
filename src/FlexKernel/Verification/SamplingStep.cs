using System.Numerics.Tensors;
using System.Text.Json;
using FlexKernel.Sampling;

namespace FlexKernel.Verification;

/// <summary>One operation of a reference case, with its parameters.</summary>
/// <param name="json">The operation's name under <c>op</c>, and its parameters.</param>
internal sealed class SamplingStep(JsonElement json)
{
    private readonly string _op = json.GetProperty("op").GetString()!;

    /// <summary>Applies the operation by itself.</summary>
    /// <param name="logits">Changed in place.</param>
    /// <param name="history">Ids of prompt and text, oldest first.</param>
    public void Apply(float[] logits, ReadOnlySpan<int> history)
    {
        switch (Action(logits.Length))
        {
            case ILogitProcessor processor:
                processor.Apply(logits, History(history));
                break;
            case ICandidateFilter filter:
                Candidates candidates = new(logits.Length);
                candidates.Load(logits);
                filter.Apply(candidates);
                candidates.Mask(logits);
                break;
            case Action<float[]> change:
                change(logits);
                break;
        }
    }

    /// <summary>The options of a sampler with this operation added.</summary>
    public SamplingOptions AddTo(SamplingOptions options)
    {
        options = json.TryGetProperty("eos_token_id", out JsonElement end) ? options with { EndIds = [end.GetInt32()] } : options;
        return _op switch
        {
            "sequence_bias" => options with
            {
                LogitBias = Biases().Where(b => b.Ids.Count == 1).ToDictionary(b => b.Ids[0], b => b.Bias),
                SequenceBiases = [.. Biases().Where(b => b.Ids.Count > 1)],
            },
            "repetition_penalty" => options with { RepetitionPenalty = Float(_op) },
            "presence_frequency" => options with
            {
                FrequencyPenalty = Float("frequency_penalty"),
                PresencePenalty = Float("presence_penalty"),
            },
            "no_repeat_ngram_size" => options with { NoRepeatNgram = Int(_op) },
            "bad_words_ids" => options with { BannedSequences = [.. Sequences()] },
            "min_new_tokens" => options with { MinNewTokens = Int(_op) },
            "suppress_tokens" => options with { SuppressedIds = Json.Ints(json.GetProperty(_op)) },
            "temperature" => options with { Temperature = Float(_op) },
            "top_k" => options with { TopK = Int(_op) },
            "top_p" => options with { TopP = Float(_op) },
            "min_p" => options with { MinP = Float(_op) },
            "typical_p" => options with { TypicalP = Float(_op) },
            "renormalize_logits" => options with { Renormalize = true },
            _ => throw Unknown(),
        };
    }

    private object? Action(int vocabulary)
    {
        int minimum = json.TryGetProperty("min_tokens_to_keep", out JsonElement least) ? least.GetInt32() : 1;
        return _op switch
        {
            "temperature" => (Action<float[]>)(logits => TensorPrimitives.Divide(logits, Float(_op), logits)),
            "renormalize_logits" => (Action<float[]>)(logits => PortableMath.LogSoftmax(logits, logits)),
            "sequence_bias" => new BiasProcessor(Biases()),
            "repetition_penalty" => new RepetitionPenalty(Float(_op), new TokenCounts(vocabulary, Int("prompt_ignore_length"), 0)),
            "presence_frequency" => new FrequencyPenalty(
                Float("frequency_penalty"), Float("presence_penalty"), new TokenCounts(vocabulary, Int("count_from"), 0)),
            "no_repeat_ngram_size" => new NoRepeatNgram(Int(_op)),
            "bad_words_ids" => BiasProcessor.Ban(Sequences(), [Int("eos_token_id")]),
            "min_new_tokens" => new Suppression([Int("eos_token_id")], Int(_op)),
            "suppress_tokens" => new Suppression(Json.Ints(json.GetProperty(_op)), int.MaxValue),
            "top_k" => new TopK(Int(_op), minimum),
            "top_p" when Float(_op) == 1 => null, // off: every candidate stays
            "top_p" => new TopP(Float(_op), minimum),
            "min_p" => new MinP(Float(_op), minimum),
            "typical_p" => new TypicalP(Float(_op), minimum),
            "epsilon_cutoff" => new EpsilonCutoff(Float(_op), minimum),
            "eta_cutoff" => new EtaCutoff(Float(_op), minimum),
            _ => throw Unknown(),
        };
    }

    private TokenHistory History(ReadOnlySpan<int> ids)
    {
        TokenHistory history = new(ids[..Int("prompt_length")], 0);
        foreach (int id in ids[history.PromptLength..])
        {
            history.Add(id);
        }

        return history;
    }

    private IEnumerable<SequenceBias> Biases() =>
        json.GetProperty(_op).EnumerateArray().Select(b => new SequenceBias(Json.Ints(b[0]), b[1].GetSingle()));

    private IEnumerable<int[]> Sequences() => json.GetProperty(_op).EnumerateArray().Select(Json.Ints);

    private int Int(string name) => json.TryGetProperty(name, out JsonElement value) ? value.GetInt32() : 0;

    private float Float(string name) => json.GetProperty(name).GetSingle();

    private InvalidDataException Unknown() => new($"The step '{_op}' is not known.");
}
