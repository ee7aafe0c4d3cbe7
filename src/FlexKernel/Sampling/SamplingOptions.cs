using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using static System.FormattableString;

namespace FlexKernel.Sampling;

/// <summary>
/// How tokens are chosen from logits. Every setter checks its range and throws <see cref="ArgumentException"/>; ids are checked against the
/// vocabulary by <see cref="Sampler"/>. The defaults draw from the model's own distribution.
/// </summary>
public sealed record SamplingOptions
{
    // A smaller divisor could take finite logits to infinity.
    private const float SmallestTemperature = 1e-5f;

    /// <summary>Divides the logits: at least 0; below 0.00001 the largest logit wins (greedy) and no filter acts.</summary>
    public float Temperature { get; init => field = InRange(value, 0, float.MaxValue); } = 1;

    /// <summary>Keeps this many of the largest logits, with ties more; 0 keeps all.</summary>
    public int TopK { get; init => field = AtLeastZero(value); }

    /// <summary>
    /// Keeps the most probable ids until their probability reaches this, with the one that crosses it; from 0 to 1, and 1 keeps all.
    /// </summary>
    public float TopP { get; init => field = InRange(value, 0, 1); } = 1;

    /// <summary>Keeps ids of at least this share of the largest probability; from 0 to 1, and 0 keeps all.</summary>
    public float MinP { get; init => field = InRange(value, 0, 1); }

    /// <summary>Keeps the ids of most typical surprise until their probability reaches this; from 0 to 1, and 1 keeps all.</summary>
    public float TypicalP { get; init => field = InRange(value, 0, 1); } = 1;

    /// <summary>Keeps ids of at least this probability; from 0 (keeps all) to 1.</summary>
    public float EpsilonCutoff { get; init => field = InRange(value, 0, 1); }

    /// <summary>Keeps ids of at least the lesser of this and sqrt(this) exp(-entropy); from 0 (keeps all) to 1.</summary>
    public float EtaCutoff { get; init => field = InRange(value, 0, 1); }

    /// <summary>Number of candidates that each filter leaves at least; at least 1.</summary>
    public int MinTokensToKeep { get; init => field = AtLeast(value, 1); } = 1;

    /// <summary>In which order the filters act.</summary>
    public SamplingOrder Order { get; init; }

    /// <summary>
    /// Multiplies the negative logits of all ids of prompt and output, and divides the others; from 0.01 to 100, and 1 changes nothing.
    /// </summary>
    public float RepetitionPenalty { get; init => field = InRange(value, 0.01f, 100); } = 1;

    /// <summary>Taken from an id's logit once per occurrence in the output (the prompt does not count); from -2 to 2.</summary>
    public float FrequencyPenalty { get; init => field = InRange(value, -2, 2); }

    /// <summary>Taken from an id's logit once if it occurs in the output (the prompt does not count); from -2 to 2.</summary>
    public float PresencePenalty { get; init => field = InRange(value, -2, 2); }

    /// <summary>Bans ids that would repeat a run of this many ids of prompt and output; 0 bans none.</summary>
    public int NoRepeatNgram { get; init => field = AtLeastZero(value); }

    /// <summary>Added to the logits of ids; finite, or negative infinity to ban.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init => field = Biases(value); } = FrozenDictionary<int, float>.Empty;

    /// <summary>Biases for the completion of sequences of ids.</summary>
    public IReadOnlyList<SequenceBias> SequenceBiases { get; init => field = Sequences(value); } = [];

    /// <summary>Sequences of ids that must not be completed; one that is a single end id is ignored.</summary>
    public IReadOnlyList<IReadOnlyList<int>> BannedSequences { get; init => field = Words(value); } = [];

    /// <summary>Ids that must not be produced.</summary>
    public IReadOnlyList<int> SuppressedIds { get; init => field = NotNull(value); } = [];

    /// <summary>The ids that end a text; banned for the first <see cref="MinNewTokens"/> tokens.</summary>
    public IReadOnlyList<int> EndIds { get; init => field = NotNull(value); } = [];

    /// <summary>
    /// Number of tokens that are generated before an end id may be; at least 0, and above 0 only with <see cref="EndIds"/>.
    /// </summary>
    public int MinNewTokens { get; init => field = AtLeastZero(value); }

    /// <summary>Keys the random numbers; null lets the sampler choose a seed and report it.</summary>
    public long? Seed { get; init; }

    /// <summary>Number of most likely tokens to report beside the chosen one, from 0 (report nothing) to 1000.</summary>
    public int LogProbs { get; init => field = AtLeast(value, 0, 1000); }

    /// <summary>Reports the log-probabilities of the distribution drawn from, rather than of the model's own.</summary>
    public bool ProcessedLogProbs { get; init; }

    /// <summary>
    /// Leaves log-probabilities in the vector of logits, where otherwise the processed logits stay; no draw depends on it.
    /// </summary>
    public bool Renormalize { get; init; }

    /// <summary>Whether the largest logit wins.</summary>
    public bool IsGreedy => Temperature < SmallestTemperature;

    private static float InRange(float value, float from, float to, [CallerMemberName] string name = "")
    {
        if (value >= from && value <= to)
        {
            return value;
        }

        throw OutOfRange(value, name, to == float.MaxValue ? Invariant($"finite and at least {from}") : Invariant($"from {from} to {to}"));
    }

    private static int AtLeast(int value, int from, int to = int.MaxValue, [CallerMemberName] string name = "")
    {
        if (value >= from && value <= to)
        {
            return value;
        }

        throw OutOfRange(value, name, to == int.MaxValue ? Invariant($"at least {from}") : Invariant($"from {from} to {to}"));
    }

    private static int AtLeastZero(int value, [CallerMemberName] string name = "") => AtLeast(value, 0, int.MaxValue, name);

    private static ArgumentOutOfRangeException OutOfRange(object value, string name, string range) =>
        new(name, Invariant($"{name} is {value}; it must be {range}."));

    private static T NotNull<T>(T value, [CallerMemberName] string name = "")
        where T : class => value ?? throw new ArgumentNullException(name);

    private static void CheckBias(float bias, string name)
    {
        if (float.IsNaN(bias) || float.IsPositiveInfinity(bias))
        {
            throw OutOfRange(bias, name, "finite, or negative infinity");
        }
    }

    private static IReadOnlyDictionary<int, float> Biases(IReadOnlyDictionary<int, float> biases, [CallerMemberName] string name = "")
    {
        foreach (float bias in NotNull(biases, name).Values)
        {
            CheckBias(bias, name);
        }

        return biases;
    }

    private static IReadOnlyList<SequenceBias> Sequences(IReadOnlyList<SequenceBias> sequences, [CallerMemberName] string name = "")
    {
        foreach (SequenceBias sequence in NotNull(sequences, name))
        {
            CheckBias(sequence.Bias, name);
            NotEmpty(sequence.Ids, name);
        }

        return sequences;
    }

    private static IReadOnlyList<IReadOnlyList<int>> Words(IReadOnlyList<IReadOnlyList<int>> words, [CallerMemberName] string name = "")
    {
        foreach (IReadOnlyList<int> word in NotNull(words, name))
        {
            NotEmpty(word, name);
        }

        return words;
    }

    private static void NotEmpty(IReadOnlyList<int> ids, string name)
    {
        if (ids.Count == 0)
        {
            throw new ArgumentException($"{name} holds a sequence without ids; each needs at least one.", name);
        }
    }
}
