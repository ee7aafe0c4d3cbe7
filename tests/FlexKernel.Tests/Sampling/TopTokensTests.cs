using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class TopTokensTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Collect_RandomVectorWithTies_MatchesSorting(int seed)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        Random random = new(seed);
        float[] values = [.. Enumerable.Range(0, random.Next(1, 300)).Select(_ => random.Next(-3, 30))];
        values.AsSpan().Replace(-3, float.NegativeInfinity);
        int k = random.Next(1, 25);
        TopTokens top = new(25);

        top.Collect(values, k);
        List<int> actual = [];
        while (top.Count > 0)
        {
            actual.Insert(0, top.RemoveWorst().Index);
        }

        Assert.Equal(Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i).Take(k), actual);
    }
}
