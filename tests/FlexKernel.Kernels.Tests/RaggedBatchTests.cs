using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class RaggedBatchTests
{
    private static readonly RoutingPolicy First = new([0], 1), Second = new([0, 1], 2);

    [Fact]
    public void Add_SeveralSequences_ListsTokensPositionsAndRouting()
    {
        RaggedBatch batch = new(6);
        batch.Add([7, 8, 9], 4, [1], First);
        batch.Add([3], 100, [2, 3], Second);

        Assert.Equal(4, batch.Rows);
        Assert.Equal([7, 8, 9, 3], batch.Tokens.ToArray());
        Assert.Equal([4, 5, 6, 100], batch.Positions.ToArray());
        Assert.Equal([First, First, First, Second], Enumerable.Range(0, 4).Select(batch.Routing));
    }

    [Fact]
    public void Add_MoreThanFits_ThrowsAndLeavesTheBatchAsItWas()
    {
        RaggedBatch batch = new(3);
        batch.Add([1, 2], 0, [0], First);
        Assert.Throws<ArgumentException>(() => batch.Add([3, 4], 2, [0], First));
        Assert.Equal([1, 2], batch.Tokens.ToArray());
        Assert.Single(batch.Spans);
    }

    [Fact]
    public void Add_NoToken_Throws() => Assert.Throws<ArgumentException>(() => new RaggedBatch(3).Add([], 0, [0], First));

    [Fact]
    public void Add_NegativePosition_Throws() => Assert.ThrowsAny<ArgumentException>(() => new RaggedBatch(3).Add([1], -1, [0], First));

    [Fact]
    public void Clear_ThenAdd_StartsAnew()
    {
        RaggedBatch batch = new(2);
        batch.Add([1, 2], 0, [0], First);
        batch.Clear();
        Assert.Equal(0, batch.Rows);
        batch.Add([5, 6], 9, [0], Second);
        Assert.Equal([9, 10], batch.Positions.ToArray());
        Assert.Equal(Second, batch.Routing(0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Constructor_NoCapacity_Throws(int capacity) => Assert.ThrowsAny<ArgumentException>(() => new RaggedBatch(capacity));
}
