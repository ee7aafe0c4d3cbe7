using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class ProposalTests
{
    private const int Vocabulary = 40;
    private const int Draws = 40_000;

    // Ids of the prompt and of the output occur among the likely ones, so that penalties change both distributions.
    private static readonly int[] Prompt = [3, 5, 3, 8];
    private static readonly float[] Text = Logits(1), Draft = Logits(2);

    public static TheoryData<string> Names => [.. Options.Keys];

    private static Dictionary<string, SamplingOptions> Options { get; } = new()
    {
        ["plain"] = new(),
        ["temperature"] = new() { Temperature = 0.6f },
        ["top-k"] = new() { TopK = 20 },
        ["top-p"] = new() { TopP = 0.8f, Temperature = 1.3f },
        ["min-p"] = new() { MinP = 0.05f },
        ["typical-p"] = new() { TypicalP = 0.7f },
        ["penalties"] = new() { RepetitionPenalty = 1.5f, FrequencyPenalty = 0.7f, PresencePenalty = 0.4f },
        ["everything"] = new()
        {
            Temperature = 0.9f,
            TopK = 20,
            TopP = 0.95f,
            MinP = 0.01f,
            RepetitionPenalty = 1.3f,
            FrequencyPenalty = 0.5f,
            LogitBias = new Dictionary<int, float> { [2] = 1, [9] = float.NegativeInfinity },
            NoRepeatNgram = 2,
        },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Next_WithProposals_FollowsTheDistributionWithout(string name)
    {
        double[] p = Exact(Options[name], Text), q = Exact(Options[name], Draft);
        int[] counts = new int[Vocabulary], proposed = new int[Vocabulary];
        int accepted = 0;
        for (int seed = 0; seed < Draws; seed++)
        {
            (int proposal, int token) = Draw(Options[name] with { Seed = seed });
            proposed[proposal]++;
            counts[token]++;
            accepted += proposal == token ? 1 : 0;
        }

        Follows(proposed, q);
        Follows(counts, p);

        // The most that any rule can accept; its standard deviation is at most 100.
        Assert.InRange(accepted - Draws * p.Zip(q, Math.Min).Sum(), -400, 400);
        Rejects(proposed, p);
    }

    /// <summary>The usual mistake, by arithmetic of the test's own: after a rejection to draw from p rather than from what p has more than q.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Test_OfARuleThatIsAlmostRight_Rejects(string name)
    {
        double[] p = Exact(Options[name], Text), q = Exact(Options[name], Draft);
        Random random = new(1);
        int[] counts = new int[Vocabulary];
        for (int i = 0; i < Draws; i++)
        {
            int proposal = Pick(q, random);
            counts[random.NextDouble() < p[proposal] / q[proposal] ? proposal : Pick(p, random)]++;
        }

        Rejects(counts, p);
    }

    [Fact]
    public void Next_ProposalOfTheSameDistribution_IsAlwaysAccepted()
    {
        for (int seed = 0; seed < 2000; seed++)
        {
            (int proposal, int token) = Draw(Options["everything"] with { Seed = seed }, Text);
            Assert.Equal(proposal, token);
        }
    }

    [Fact]
    public void Next_Greedy_TakesTheLargestWhateverIsProposed()
    {
        Sampler with = new(new SamplingOptions { Temperature = 0 }, Vocabulary, Prompt), without = new(new SamplingOptions { Temperature = 0 }, Vocabulary, Prompt);

        Assert.Equal(without.Next([.. Text]), with.Next([.. Text], new Proposal(0) { Id = 17 }));
    }

    /// <summary>Proposals that were taken back leave no trace in counts, runs and random numbers.</summary>
    [Fact]
    public void Truncate_AfterProposals_GivesTheTextWithoutThem()
    {
        SamplingOptions options = Options["everything"] with { Seed = 4, LogProbs = 5, ProcessedLogProbs = true };
        Sampler plain = new(options, Vocabulary, Prompt), rewound = new(options, Vocabulary, Prompt);
        for (int step = 0; step < 60; step++)
        {
            for (int ahead = 0; ahead < 1 + step % 5; ahead++)
            {
                rewound.Propose(Logits(1000 + 7 * step + ahead), new Proposal(Vocabulary), ahead);
            }

            rewound.Truncate(Prompt.Length + step);
            Assert.Equal(plain.Next(Logits(step)), rewound.Next(Logits(step)));
            Assert.Equal(plain.LogProbs!.Top.ToArray(), rewound.LogProbs!.Top.ToArray());
        }

        Assert.Equal(plain.Tokens.ToArray(), rewound.Tokens.ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => rewound.Truncate(Prompt.Length - 1));
    }

    private static (int Proposal, int Token) Draw(SamplingOptions options, float[]? draft = null)
    {
        Sampler sampler = new(options, Vocabulary, Prompt, expectedTokens: 4);
        sampler.Append(3);
        Proposal proposal = new(Vocabulary);
        sampler.Propose([.. draft ?? Draft], proposal, 0);
        sampler.Truncate(Prompt.Length + 1);
        return (proposal.Id, sampler.Next([.. Text], proposal));
    }

    private static double[] Exact(SamplingOptions options, float[] logits)
    {
        Sampler sampler = new(options, Vocabulary, Prompt);
        sampler.Append(3);
        float[] processed = [.. logits];
        sampler.Process(processed);
        double[] weights = Array.ConvertAll(processed, l => Math.Exp(l));
        return Array.ConvertAll(weights, w => w / weights.Sum());
    }

    private static int Pick(double[] probabilities, Random random)
    {
        double left = random.NextDouble();
        int id = 0;
        while (id + 1 < probabilities.Length && (left -= probabilities[id]) >= 0)
        {
            id++;
        }

        return id;
    }

    private static float[] Logits(int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(3 * random.NextDouble() + (random.Next(8) == 0 ? 2 : 0)))];
    }

    private static void Follows(int[] counts, double[] probabilities)
    {
        (double statistic, double critical) = ChiSquare.Of(counts, probabilities);
        Assert.InRange(statistic, 0, critical);
    }

    private static void Rejects(int[] counts, double[] probabilities)
    {
        (double statistic, double critical) = ChiSquare.Of(counts, probabilities);
        Assert.True(statistic > critical, $"{statistic} does not exceed {critical}");
    }
}
