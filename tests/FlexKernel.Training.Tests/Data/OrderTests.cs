using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class OrderTests
{
    // From a program of the definition in Python: six Feistel rounds of SplitMix64, cycle walking.
    private static readonly int[] GoldenSmall = [3, 0, 5, 7, 1, 4, 8, 6, 9, 2, 0, 4, 1, 6, 2, 5, 9, 8, 7, 3], GoldenLarge = [286460, 279620, 702545, 528882, 352816, 510296];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1009)]
    [InlineData(65_536)]
    [InlineData(100_003)]
    public void WindowOrder_EveryEpoch_IsAPermutation(int count)
    {
        WindowOrder order = new(count, 5);
        for (long epoch = 0; epoch < 3; epoch++)
        {
            bool[] seen = new bool[count];
            for (int i = 0; i < count; i++)
            {
                seen[order.At(epoch * count + i)] = true;
            }

            Assert.DoesNotContain(false, seen);
        }
    }

    [Fact]
    public void WindowOrder_LargestSet_StaysInside()
    {
        WindowOrder order = new(int.MaxValue, 1);

        int[] first = [.. Enumerable.Range(0, 10_000).Select(i => order.At(i))];

        Assert.Equal(first.Length, first.Distinct().Count());
        Assert.All(first, index => Assert.InRange(index, 0, int.MaxValue - 1));
    }

    [Fact]
    public void WindowOrder_EpochsAndSeeds_Differ()
    {
        WindowOrder order = new(1000, 1), other = new(1000, 2);
        int[] first = Take(order, 0, 1000), second = Take(order, 1000, 1000), seed = Take(other, 0, 1000);

        // Two random orders of 1000 agree at one place on average, at ten or more once in ten million.
        Assert.True(Agreements(first, second) < 10 && Agreements(first, seed) < 10 && Agreements(first, [.. Enumerable.Range(0, 1000)]) < 10);
        Assert.Equal(first, Take(new WindowOrder(1000, 1), 0, 1000));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void WindowOrder_SmallSets_EveryPermutationIsEquallyLikely(int count)
    {
        const int Trials = 60_000;
        WindowOrder order = new(count, 11);
        Dictionary<string, int> counts = [];
        for (int epoch = 0; epoch < Trials; epoch++)
        {
            string permutation = string.Join(' ', Take(order, (long)epoch * count, count));
            counts[permutation] = counts.GetValueOrDefault(permutation) + 1;
        }

        int kinds = Enumerable.Range(1, count).Aggregate(1, (a, b) => a * b);
        double expected = (double)Trials / kinds, chiSquare = counts.Values.Sum(n => (n - expected) * (n - expected) / expected);
        Assert.Equal(kinds, counts.Count);

        // Mean and deviation of chi-square with that many degrees of freedom; the seed is fixed.
        Assert.True(chiSquare < kinds - 1 + 5 * Math.Sqrt(2.0 * (kinds - 1)), $"chi-square {chiSquare} of {kinds - 1} degrees of freedom");
    }

    [Fact]
    public void WindowOrder_Values_AreThoseOfEveryMachine()
    {
        Assert.Equal(GoldenSmall, Take(new WindowOrder(10, 0), 0, 20));
        Assert.Equal(GoldenLarge, Take(new WindowOrder(1_000_000, 42), 5_000_000, 6));
    }

    [Fact]
    public void WindowOrder_Arguments_OutOfRange_Throw()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new WindowOrder(0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WindowOrder(1, 1).At(-1));
    }

    [Theory]
    [InlineData(new[] { 1, 1 }, "0 1")]
    [InlineData(new[] { 3, 1 }, "0 0 1 0")]
    [InlineData(new[] { 5, 1, 1 }, "0 0 1 0 2 0 0")]
    public void MixedOrder_Sets_AreSpreadEvenly(int[] weights, string sets)
    {
        int[] counts = [.. weights.Select((_, i) => 10 + i)];
        MixedOrder order = new(counts, weights, 3);

        int[] chosen = [.. Enumerable.Range(0, 3 * weights.Sum()).Select(p => Set(order.At(p), counts))];

        Assert.Equal(string.Join(' ', Enumerable.Repeat(sets, 3)), string.Join(' ', chosen));
    }

    [Fact]
    public void MixedOrder_EachSet_IsShuffledThroughBeforeItRepeats()
    {
        int[] counts = [50, 7];
        MixedOrder order = new(counts, [2, 1], 9);
        int[] all = [.. Enumerable.Range(0, 300).Select(p => order.At(p))];

        int[] large = [.. all.Where(index => index < 50)], small = [.. all.Where(index => index >= 50)];
        Assert.All(large.Chunk(50), epoch => Assert.Equal(Enumerable.Range(0, 50), epoch.Order()));
        Assert.All(small.Chunk(7).Where(epoch => epoch.Length == 7), epoch => Assert.Equal(Enumerable.Range(50, 7), epoch.Order()));
        Assert.NotEqual(large[..50], large[50..100]);
    }

    [Theory]
    [InlineData(new[] { 1 }, new[] { 1, 1 })]
    [InlineData(new[] { 1, 1 }, new[] { 1, 0 })]
    [InlineData(new int[0], new int[0])]
    [InlineData(new[] { 1, 1 }, new[] { 1, 1_000_000 })]
    [InlineData(new[] { 1, 0 }, new[] { 1, 1 })]
    public void MixedOrder_Arguments_OutOfRange_Throw(int[] counts, int[] weights) => Assert.ThrowsAny<ArgumentException>(() => new MixedOrder(counts, weights, 1));

    [Fact]
    public void JoinedSets_FindEachSequence()
    {
        JoinedSets joined = new([new Numbers(2, 10), new Numbers(0, 0), new Numbers(3, 20)]);

        Assert.Equal(5, joined.Count);
        Assert.Equal([10, 11, 20, 21, 22], Enumerable.Range(0, 5).Select(i => joined[i].Ids[0]));
        Assert.Equal([10, 11, 20, 21, 22], Enumerable.Range(0, 5).Select(joined.TextBytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => joined[5]);
        Assert.NotEqual(joined.Digest, new JoinedSets([new Numbers(3, 20), new Numbers(2, 10)]).Digest);
    }

    private static int[] Take(WindowOrder order, long first, int count) => [.. Enumerable.Range(0, count).Select(i => order.At(first + i))];

    private static int Agreements(int[] a, int[] b) => a.Zip(b).Count(pair => pair.First == pair.Second);

    private static int Set(int index, int[] counts) => Enumerable.Range(0, counts.Length).First(set => index < counts[..(set + 1)].Sum());

    private sealed class Numbers(int count, int first) : ITrainingSet
    {
        public int Count => count;

        public string Digest => $"{first}";

        public TrainingSequence this[int index] => TrainingSequence.Next([first + index]);

        public long TextBytes(int index) => first + index;
    }
}
