using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class RotaryTableTests
{
    [Fact]
    public void Constructor_EveryPosition_HoldsCosineAndSineOfTheFloat32Angle()
    {
        float[] frequencies = [.. Enumerable.Range(0, 32).Select(j => (float)Math.Pow(500_000, -j / 32.0))];
        using RotaryTable table = new(frequencies, 5000);
        for (int position = 0; position < 5000; position++)
        {
            for (int j = 0; j < 32; j++)
            {
                double angle = position * frequencies[j];
                Assert.Equal((float)Math.Cos(angle), table.Cosines.Row(position)[j]);
                Assert.Equal((float)Math.Sin(angle), table.Sines.Row(position)[j]);
            }
        }
    }

    [Fact]
    public void Dimension_IsTwoPerFrequency()
    {
        using RotaryTable table = new([1f, 0.5f, 0.25f], 7);
        Assert.Equal((7, 6), (table.Positions, table.Dimension));
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(4, 0)]
    public void Constructor_Empty_Throws(int frequencies, int positions) =>
        Assert.ThrowsAny<ArgumentException>(() => new RotaryTable(new float[frequencies], positions));
}
