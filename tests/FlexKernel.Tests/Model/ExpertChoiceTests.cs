using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ExpertChoiceTests
{
    [Fact]
    public void Ranges_RandomForests_EqualExhaustiveSearch()
    {
        const int Seed = 20261;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        Random random = new(Seed);
        for (int trial = 0; trial < 200; trial++)
        {
            int count = random.Next(1, 10);
            int[] order = [.. Enumerable.Range(0, count)], parents = new int[count];
            random.Shuffle(order);
            for (int i = 0; i < count; i++)
            {
                // Any earlier expert of a random order, or itself: a forest whose parents need not have lower indices.
                int parent = random.Next(-1, i);
                parents[order[i]] = parent < 0 ? order[i] : order[parent];
            }

            long[] presence = Fill(random, count), chosen = Fill(random, count);

            Assert.Equal(Exhaustive(parents, presence, chosen), ExpertChoice.Ranges(parents, presence, chosen));
        }
    }

    [Fact]
    public void Ranges_LargestMixture_IsExact()
    {
        int[] chain = [.. Enumerable.Range(0, 1024).Select(e => Math.Max(0, e - 1))];
        long[] ones = new long[1024];
        Array.Fill(ones, 1);

        CountRange[] ranges = ExpertChoice.Ranges(chain, ones, new long[1024]);

        Assert.Equal(new CountRange(10, 1024), ranges[10]);
    }

    private static long[] Fill(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (long)random.Next(0, 50))];

    private static CountRange[] Exhaustive(int[] parents, long[] presence, long[] chosen)
    {
        int count = parents.Length;
        CountRange[] best = new CountRange[count + 1];
        Array.Fill(best, new CountRange(long.MaxValue, long.MinValue));
        for (int subset = 0; subset < 1 << count; subset++)
        {
            int[] experts = [.. Enumerable.Range(0, count).Where(e => (subset >> e & 1) != 0)];
            HashSet<int> needed = [];
            foreach (int expert in experts)
            {
                for (int e = expert; needed.Add(e) && parents[e] != e; e = parents[e])
                {
                }
            }

            long cost = needed.Sum(e => presence[e]) + experts.Sum(e => chosen[e]);
            ref CountRange range = ref best[experts.Length];
            range = new CountRange(Math.Min(range.Min, cost), Math.Max(range.Max, cost));
        }

        return best;
    }
}
