using FlexKernel.Sampling;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class SamplerTests
{
    private const int Vocabulary = 300;

    private static readonly SamplingOptions Everything = new()
    {
        Temperature = 0.9f,
        TopK = 200,
        TopP = 0.95f,
        MinP = 0.001f,
        TypicalP = 0.95f,
        EpsilonCutoff = 1e-4f,
        EtaCutoff = 1e-4f,
        MinTokensToKeep = 3,
        RepetitionPenalty = 1.1f,
        FrequencyPenalty = 0.3f,
        PresencePenalty = 0.2f,
        NoRepeatNgram = 3,
        LogitBias = new Dictionary<int, float> { [5] = 2, [6] = float.NegativeInfinity },
        SequenceBiases = [new([1, 2], 3), new([4, 5, 6], -1)],
        BannedSequences = [[7], [8, 9]],
        SuppressedIds = [10, 11],
        EndIds = [0],
        MinNewTokens = 20,
        Seed = 99,
        LogProbs = 20,
        Renormalize = true,
    };

    public static TheoryData<string> GreedyIds => [.. Greedy.Select(c => c.Id)];

    private static IEnumerable<GreedyReference> Greedy => GreedyReference.Read(TestData.Fixture("sampling"));

    [Theory]
    [MemberData(nameof(GreedyIds))]
    public void Next_Greedy_MatchesReference(string id)
    {
        (_, float[] logits, int expected) = Greedy.Single(c => c.Id == id);

        int actual = new Sampler(new SamplingOptions { Temperature = 0 }, logits.Length, []).Next(logits);

        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Next_GreedyTieOfSignedZeros_LowestId() =>
        Assert.Equal(1, new Sampler(new SamplingOptions { Temperature = 0 }, 4, []).Next([-1, -0f, 0, -0f]));

    [Theory]
    [InlineData(SamplingOrder.HuggingFace, false)]
    [InlineData(SamplingOrder.OpenAI, true)]
    public void Next_AllStepsOn_AllocatesNothing(SamplingOrder order, bool processed)
    {
        Sampler sampler = new(Everything with { Order = order, ProcessedLogProbs = processed }, Vocabulary, [1, 2, 3], expectedTokens: 600);

        Assert.Equal(0, AllocatedBytes(sampler, Vocabulary, 500));
    }

    [Fact]
    public void Next_LargeFlatVocabulary_AllocatesNothing()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 5, TopP = 0.99f, TypicalP = 0.98f, LogProbs = 5, Seed = 1 }, 100_352, []);

        Assert.Equal(0, AllocatedBytes(sampler, 100_400, 20));
    }

    [Fact]
    public void Next_Greedy_AllocatesNothing()
    {
        Sampler sampler = new(Everything with { Temperature = 0 }, Vocabulary, [], expectedTokens: 600);

        Assert.Equal(0, AllocatedBytes(sampler, Vocabulary, 500));
    }

    // Computed from the definition (Philox 4x32-10, cumulative softmax in order of ids) in another language.
    [Theory]
    [InlineData(0, new[] { 112, 412, 988, 964, 717, 482, 99, 642, 186, 236, 521, 186, 297, 434, 631, 186 })]
    [InlineData(40, new[] { 173, 457, 988, 963, 741, 519, 136, 642, 235, 272, 556, 210, 309, 494, 642, 210 })]
    public void Next_FixedSeed_SameTokensOnEveryMachine(int topK, int[] expected)
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 0.8f, TopK = topK, Seed = -42 }, 1000, [1, 2], sequence: 3);

        Assert.Equal(expected, expected.Select(_ => sampler.Next([.. Enumerable.Range(0, 1000).Select(i => i * 7919 % 1000 / 100f)])));
    }

    [Fact]
    public void Next_SameSeed_SameTokens()
    {
        SamplingOptions options = new() { Seed = 12, TopP = 0.9f };

        Assert.Equal(Draw(new Sampler(options, Vocabulary, [1, 2]), 100), Draw(new Sampler(options, Vocabulary, [1, 2]), 100));
    }

    [Fact]
    public void Next_OtherSeedOrSequence_OtherTokens()
    {
        SamplingOptions options = new() { Seed = 12 };
        string[] draws =
        [
            string.Join(' ', Draw(new Sampler(options, Vocabulary, []), 30)),
            string.Join(' ', Draw(new Sampler(options, Vocabulary, [], sequence: 1), 30)),
            string.Join(' ', Draw(new Sampler(options with { Seed = 13 }, Vocabulary, []), 30)),
        ];

        Assert.Equal(3, draws.Distinct().Count());
    }

    [Fact]
    public void Next_InterleavedSequences_EachAsIfAlone()
    {
        SamplingOptions options = new() { Seed = 3, RepetitionPenalty = 1.2f };
        Sampler first = new(options, Vocabulary, []), second = new(options, Vocabulary, [], sequence: 1);
        List<int> firstTokens = [], secondTokens = [];
        for (int i = 0; i < 50; i++)
        {
            firstTokens.Add(first.Next(Logits(i)));
            secondTokens.Add(second.Next(Logits(i)));
        }

        Assert.Equal(Draw(new Sampler(options, Vocabulary, []), 50), firstTokens);
        Assert.Equal(Draw(new Sampler(options, Vocabulary, [], sequence: 1), 50), secondTokens);
    }

    [Fact]
    public void Next_ResumedWithTokensAsPrompt_ContinuesTheSameStream()
    {
        SamplingOptions options = new() { Seed = 8, TopK = 50, RepetitionPenalty = 1.3f };
        int[] whole = Draw(new Sampler(options, Vocabulary, [9]), 40);

        Sampler resumed = new(options, Vocabulary, [9, .. whole[..15]]);

        Assert.Equal(whole[15..], Enumerable.Range(15, 25).Select(i => resumed.Next(Logits(i))));
    }

    [Fact]
    public void Seed_NotGiven_IsChosenAndReproducesTheTokens()
    {
        Sampler chosen = new(new SamplingOptions(), Vocabulary, []), other = new(new SamplingOptions(), Vocabulary, []);
        TestContext.Current.TestOutputHelper?.WriteLine($"seeds {chosen.Seed} {other.Seed}");

        Assert.NotEqual(chosen.Seed, other.Seed);
        Assert.InRange(chosen.Seed, 0, (1L << 53) - 1);
        Assert.Equal(Draw(chosen, 30), Draw(new Sampler(new SamplingOptions { Seed = chosen.Seed }, Vocabulary, []), 30));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Next_PaddingRowsAreLargest_NeverChosen(float temperature)
    {
        Sampler sampler = new(new SamplingOptions { Temperature = temperature, Seed = 1, LogProbs = 3 }, 4, []);
        for (int i = 0; i < 100; i++)
        {
            float[] logits = [1, 2, 3, 4, 1000, float.NaN];

            Assert.InRange(sampler.Next(logits), 0, 3);
            Assert.Equal([float.NegativeInfinity, float.NegativeInfinity], logits[4..]);
            Assert.All(sampler.LogProbs!.Top.ToArray(), t => Assert.InRange(t.Id, 0, 3));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Next_LogitNotFinite_ThrowsAndDrawsNothing(float bad)
    {
        Sampler sampler = new(new SamplingOptions { Seed = 1 }, 40, [7]);
        float[] logits = new float[40];
        logits[33] = bad;

        SamplingException thrown = Assert.Throws<SamplingException>(() => sampler.Next(logits));

        Assert.Equal(SamplingFailure.NotFinite, thrown.Failure);
        Assert.Equal([7], sampler.Tokens.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Next_OptionsBanEverything_Throws(float temperature)
    {
        Sampler sampler = new(new SamplingOptions { Temperature = temperature, SuppressedIds = [0, 1, 2], Seed = 1 }, 3, []);

        SamplingException thrown = Assert.Throws<SamplingException>(() => sampler.Next(new float[3]));

        Assert.Equal(SamplingFailure.NothingLeft, thrown.Failure);
    }

    [Fact]
    public void Next_EverythingMaskedByCaller_Throws()
    {
        Sampler sampler = new(new SamplingOptions { LogProbs = 1 }, 2, []);

        float[] logits = [float.NegativeInfinity, float.NegativeInfinity, 1];

        SamplingException thrown = Assert.Throws<SamplingException>(() => sampler.Next(logits));

        Assert.Equal(SamplingFailure.NothingLeft, thrown.Failure);
    }

    [Fact]
    public void Next_TooFewLogits_Throws() =>
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions(), 5, []).Next(new float[4]));

    [Fact]
    public void Next_MinNewTokens_HoldsTheEndBackUntilThen()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 0, EndIds = [0], MinNewTokens = 2 }, 3, [1, 1, 1]);

        Assert.Equal([1, 1, 0], Enumerable.Range(0, 3).Select(_ => sampler.Next([5, 4, 3])));
    }

    [Fact]
    public void Next_FrequencyAndPresence_CountOutputButNotPrompt()
    {
        SamplingOptions options = new() { Temperature = 0, FrequencyPenalty = 0.5f, PresencePenalty = 0.25f };
        Sampler sampler = new(options, 3, [0, 0, 0, 0]);
        float[] logits = [2, 1, 0];

        int[] tokens = [sampler.Next([2, 1, 0]), sampler.Next([2, 1, 0]), sampler.Next(logits)];

        // After one 0 it stands at 1.25, after two at 0.75.
        Assert.Equal([0, 0, 1], tokens);
        Assert.Equal([0.75f, 1, 0], logits);
    }

    [Fact]
    public void Append_ForcedToken_CountsAsGenerated()
    {
        Sampler sampler = new(new SamplingOptions { Temperature = 0, NoRepeatNgram = 2 }, 4, [1]);
        sampler.Append(2);
        sampler.Append(1);

        Assert.Equal(3, sampler.Next([0, 0, 9, 1]));
        Assert.Equal([1, 2, 1, 3], sampler.Tokens.ToArray());
    }

    [Fact]
    public void Append_OutsideVocabulary_Throws()
    {
        Sampler sampler = new(new SamplingOptions(), 4, []);

        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Append(4));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Append(-1));
    }

    [Fact]
    public void Next_MoreTokensThanExpected_KeepsThemAll()
    {
        Sampler sampler = new(new SamplingOptions { Seed = 4, RepetitionPenalty = 1.01f }, Vocabulary, [1], expectedTokens: 0);

        int[] tokens = Draw(sampler, 60);

        Assert.Equal([1, .. tokens], sampler.Tokens.ToArray());
    }

    [Fact]
    public void Next_OneTokenKept_LogProbsOfModelAndOfDrawDiffer()
    {
        SamplingOptions options = new() { TopK = 1, LogProbs = 3, Seed = 1 };
        Sampler raw = new(options, 3, []), processed = new(options with { ProcessedLogProbs = true }, 3, []);

        raw.Next([0, 0.5f, 0]);
        processed.Next([0, 0.5f, 0]);

        Assert.Equal([1, 0, 2], raw.LogProbs!.Top.ToArray().Select(t => t.Id));
        Assert.InRange(raw.LogProbs.Chosen.LogProb, -0.85f, -0.75f); // -ln(1 + 2 exp(-0.5)) = -0.795
        Assert.Equal([new TokenLogProb(1, 0)], processed.LogProbs!.Top.ToArray());
        Assert.Equal(new TokenLogProb(1, 0), processed.LogProbs.Chosen);
    }

    [Theory]
    [InlineData(nameof(SamplingOptions.LogitBias))]
    [InlineData(nameof(SamplingOptions.SequenceBiases))]
    [InlineData(nameof(SamplingOptions.BannedSequences))]
    [InlineData(nameof(SamplingOptions.SuppressedIds))]
    [InlineData(nameof(SamplingOptions.EndIds))]
    public void Constructor_IdOutsideVocabulary_ThrowsNamingTheOption(string option)
    {
        SamplingOptions options = option switch
        {
            nameof(SamplingOptions.LogitBias) => new() { LogitBias = new Dictionary<int, float> { [50] = 1 } },
            nameof(SamplingOptions.SequenceBiases) => new() { SequenceBiases = [new([1, 50], 1)] },
            nameof(SamplingOptions.BannedSequences) => new() { BannedSequences = [[50]] },
            nameof(SamplingOptions.SuppressedIds) => new() { SuppressedIds = [50] },
            _ => new() { EndIds = [50] },
        };

        ArgumentException thrown = Assert.Throws<ArgumentException>(() => new Sampler(options, 50, []));

        Assert.Contains($"{option} holds id 50", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_MinNewTokensWithoutEndIds_Throws() =>
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { MinNewTokens = 1 }, 50, []));

    private static float[] Logits(int position)
    {
        Random random = new(1000 + position);
        return [.. Enumerable.Range(0, Vocabulary).Select(_ => random.NextSingle() * 6)];
    }

    private static int[] Draw(Sampler sampler, int tokens) => [.. Enumerable.Range(0, tokens).Select(i => sampler.Next(Logits(i)))];

    private static long AllocatedBytes(Sampler sampler, int width, int tokens)
    {
        Random random = new(3);
        float[] logits = new float[width];
        Fill();
        sampler.Next(logits);

        // A collection by another test's thread may be charged to this one; what a token allocates it allocates every time.
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 4; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < tokens / 4; i++)
            {
                Fill();
                sampler.Next(logits);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;

        void Fill()
        {
            foreach (ref float logit in logits.AsSpan())
            {
                logit = random.NextSingle() * 8;
            }
        }
    }
}
