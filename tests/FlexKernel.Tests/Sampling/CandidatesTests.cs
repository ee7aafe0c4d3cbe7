using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

/// <summary>Compares the filters with definitions that sort everything, over random vectors with and without ties.</summary>
public sealed class CandidatesTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void TopP_RandomVector_KeepsWhatSortingKeeps(int seed)
    {
        (float[] logits, Random random) = RandomLogits(seed);
        double p = (float)random.NextDouble();

        (int Id, double P)[] sorted = [.. Probabilities(logits).OrderByDescending(t => logits[t.Id]).ThenBy(t => t.Id)];
        HashSet<int> expected = [];
        double sum = 0;
        foreach ((int id, double probability) in sorted)
        {
            expected.Add(id);
            if ((sum += probability) >= p)
            {
                break;
            }
        }

        AssertKept(expected, logits, new TopP(p, 1));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void TypicalP_RandomVector_KeepsWhatSortingKeeps(int seed)
    {
        (float[] logits, Random random) = RandomLogits(seed);
        double mass = (float)random.NextDouble();

        (int Id, double P)[] all = Probabilities(logits);
        double entropy = -all.Sum(t => t.P * Math.Log(t.P));
        (int Id, double P, float Distance)[] sorted =
            [.. all.Select(t => (t.Id, t.P, (float)Math.Abs(-Math.Log(t.P) - entropy))).OrderBy(t => t.Item3)];
        double sum = 0;
        float last = sorted.First(t => (sum += t.P) >= mass || t == sorted[^1]).Distance;

        // Equal distances by this formula may differ in the last bits by the other: a little wider for them.
        AssertKept([.. sorted.Where(t => t.Distance <= last * (1 + 1e-6f)).Select(t => t.Id)], logits, new TypicalP(mass, 1));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void TopK_RandomVector_KeepsEverythingNotBelowTheKth(int seed)
    {
        (float[] logits, Random random) = RandomLogits(seed);
        int k = random.Next(1, logits.Length + 1);
        float smallest = logits.OrderDescending().ElementAt(k - 1);

        AssertKept([.. Enumerable.Range(0, logits.Length).Where(i => logits[i] >= smallest)], logits, new TopK(k, 1));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Filters_InARow_LeaveAtLeastTheMinimum(int seed)
    {
        (float[] logits, Random random) = RandomLogits(seed);
        int minimum = random.Next(1, 6);
        ICandidateFilter[] filters =
        [
            new TopP(0, minimum), new TopK(1, minimum), new MinP(1, minimum), new TypicalP(0, minimum), new EpsilonCutoff(1, minimum),
            new EtaCutoff(1, minimum),
        ];
        random.Shuffle(filters);
        Candidates candidates = new(logits.Length);
        candidates.Load(logits);

        foreach (ICandidateFilter filter in filters)
        {
            filter.Apply(candidates);
        }

        Assert.InRange(candidates.Count, Math.Min(minimum, logits.Length), logits.Length);
    }

    [Fact]
    public void TopP_TiesAtTheCrossing_KeepsLowestIds()
    {
        float[] logits = [1, 1, 5, 1, 1];
        Candidates candidates = new(5);
        candidates.Load(logits);

        // Four ties of 0.0176 each beside 0.93: two are needed to pass 0.95.
        new TopP(0.95, 1).Apply(candidates);
        candidates.Mask(logits);

        Assert.Equal([1, 1, 5, float.NegativeInfinity, float.NegativeInfinity], logits);
    }

    [Fact]
    public void TopP_TieOfSignedZeros_KeepsLowestId()
    {
        float[] logits = [-1, -0f, 0, -1];
        Candidates candidates = new(4);
        candidates.Load(logits);

        new TopP(0, 1).Apply(candidates);
        candidates.Mask(logits);

        Assert.Equal([false, true, false, false], logits.Select(float.IsFinite));
    }

    [Theory]
    [InlineData(0.0, 0)]
    [InlineData(0.249, 0)]
    [InlineData(0.25, 2)]
    [InlineData(0.74, 2)]
    [InlineData(0.76, 3)]
    [InlineData(0.9999999999999999, 3)]
    public void Pick_Share_InvertsTheCumulativeDistributionInOrderOfIds(double share, int expected)
    {
        Candidates candidates = new(5);
        candidates.Load([0, float.NegativeInfinity, MathF.Log(2), 0, float.NegativeInfinity]);

        Assert.Equal(expected, candidates.Pick(share));
    }

    [Fact]
    public void Load_AfterFilters_StartsAfresh()
    {
        Candidates candidates = new(20);
        candidates.Load([.. Enumerable.Range(0, 20).Select(i => (float)i)]);
        new TopK(3, 1).Apply(candidates);
        candidates.Pick(0.5);

        candidates.Load([.. Enumerable.Range(0, 20).Select(i => i == 4 ? 1000f : 0)]);

        Assert.Equal(20, candidates.Count);
        Assert.Equal(4, candidates.Pick(0.5));
    }

    private static (float[] Logits, Random Random) RandomLogits(int seed)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        Random random = new(seed);
        float[] logits = new float[random.Next(1, seed % 5 == 0 ? 6000 : 200)];
        float scale = random.Next(1, 12);
        for (int i = 0; i < logits.Length; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            logits[i] = seed % 3 == 0 ? MathF.Round((float)normal * 2) : (float)normal * scale;
        }

        return (logits, random);
    }

    private static (int Id, double P)[] Probabilities(float[] logits)
    {
        double maximum = logits.Max(), total = logits.Sum(x => Math.Exp(x - maximum));
        return [.. logits.Select((x, id) => (id, Math.Exp(x - maximum) / total))];
    }

    private static void AssertKept(HashSet<int> expected, float[] logits, ICandidateFilter filter)
    {
        float[] actual = [.. logits];
        Candidates candidates = new(logits.Length);
        candidates.Load(actual);
        filter.Apply(candidates);
        candidates.Mask(actual);

        Assert.Equal(expected.Order(), Enumerable.Range(0, actual.Length).Where(i => float.IsFinite(actual[i])));
        Assert.All(expected, id => Assert.Equal(logits[id], actual[id]));
    }
}
