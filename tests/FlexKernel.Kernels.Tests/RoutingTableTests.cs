using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class RoutingTableTests
{
    [Fact]
    public void Set_SeveralRows_KeepsThemApart()
    {
        RoutingTable table = new(3, 2);
        table.Set(2, [1, 5], [0.25f, 0.5f]);
        table.Set(0, [4], [1f]);
        table.Set(1, [], []);

        Assert.Equal([4], table.Experts(0).ToArray());
        Assert.Equal([1f], table.Weights(0).ToArray());
        Assert.Empty(table.Experts(1).ToArray());
        Assert.Equal([1, 5], table.Experts(2).ToArray());
        Assert.Equal([0.25f, 0.5f], table.Weights(2).ToArray());
        Assert.Equal((3, 2), (table.Rows, table.ActiveExperts));
    }

    [Theory]
    [InlineData(new int[] { 0, 1, 2 }, new float[] { 1, 1, 1 })]
    [InlineData(new int[] { 0, 1 }, new float[] { 1 })]
    [InlineData(new int[] { 1, 0 }, new float[] { 1, 1 })]
    [InlineData(new int[] { 1, 1 }, new float[] { 1, 1 })]
    [InlineData(new int[] { -1 }, new float[] { 1 })]
    public void Set_WrongChoice_Throws(int[] experts, float[] weights) =>
        Assert.Throws<ArgumentException>(() => new RoutingTable(3, 2).Set(0, experts, weights));

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public void Constructor_Empty_Throws(int rows, int active) => Assert.ThrowsAny<ArgumentException>(() => new RoutingTable(rows, active));
}
