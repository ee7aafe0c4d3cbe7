using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ExpectedReadsTests
{
    [Theory]
    [InlineData(new[] { 0 }, 1)]
    [InlineData(new[] { 3 }, 1)]
    [InlineData(new[] { 0, 1, 2, 3, 4, 5 }, 1)]
    [InlineData(new[] { 0, 1, 2, 3, 4, 5 }, 3)]
    [InlineData(new[] { 1, 3, 4 }, 2)]
    public void Of_AnyPolicy_IsTheMeanOverAllChoices(int[] allowed, int k)
    {
        ModelDescription model = ToyModel.Description;
        ParameterCounts counts = ParameterCounts.Of(model);
        long outside = counts.OutsideExperts - model.VocabularySize * model.HiddenSize;
        long[] choices = [.. Subsets(allowed, k).Select(Mask)];
        double one = choices.Average(Parameters), two = choices.SelectMany(a => choices.Select(b => a | b)).Average(Parameters);
        ExpectedReads reads = new(model);

        Assert.Equal(outside + one, reads.Of(new RoutingPolicy(allowed, k), 1), 6);
        Assert.Equal(outside + two, reads.Of(new RoutingPolicy(allowed, k), 2), 6);

        double Parameters(long mask) => Enumerable.Range(0, 6).Sum(e => (mask >> e & 1) * counts.PerExpert[e]);

        // The experts chosen and all they stand on.
        long Mask(int[] experts) => experts.Aggregate(0L, (mask, e) =>
        {
            for (; !model.Mixture!.Experts[e].IsFull; e = model.Mixture.Experts[e].Base)
            {
                mask |= 1L << e;
            }

            return mask | 1L << e;
        });
    }

    private static IEnumerable<int[]> Subsets(int[] items, int size) => size == 0
        ? [[]]
        : items.SelectMany((item, i) => Subsets(items[(i + 1)..], size - 1).Select(rest => (int[])[item, .. rest]));
}
