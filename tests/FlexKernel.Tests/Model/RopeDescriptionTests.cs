using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class RopeDescriptionTests
{
    // One rounding to float32, half a unit in the last place.
    private const double Relative = 0.5 * 1.1920929e-7 * 1.0001;

    [Theory]
    [InlineData(0, 1.0f)]
    [InlineData(1, 0.8146172f)]
    [InlineData(31, 1.7360467e-3f)]
    [InlineData(32, 1.4142136e-3f)]
    [InlineData(63, 2.4551408e-6f)]
    public void InverseFrequencies_ReleasedModel_GivesTheSpotValues(int j, float expected)
    {
        float[] frequencies = new RopeDescription { Theta = 500000 }.InverseFrequencies(128);

        Assert.Equal(64, frequencies.Length);
        Assert.Equal(expected, frequencies[j]);
    }

    [Theory]
    [InlineData(10000, 8)]
    [InlineData(10000, 10)]
    [InlineData(1000000, 128)]
    [InlineData(500000, 2)]
    public void InverseFrequencies_Plain_MatchesDoubleFormula(double theta, int headDimension) => AssertClose(
        j => Plain(theta, j, headDimension), new RopeDescription { Theta = theta }.InverseFrequencies(headDimension));

    [Fact]
    public void InverseFrequencies_Linear_DividesByTheFactor()
    {
        RopeDescription rope = new() { Theta = 10000, Scaling = RopeScaling.Linear, Factor = 2.5 };

        AssertClose(j => Plain(10000, j, 64) / 2.5, rope.InverseFrequencies(64));
    }

    [Theory]
    [InlineData(10000, 8, 8, 1, 4, 128)]
    [InlineData(500000, 128, 8, 1, 4, 8192)]
    [InlineData(500000, 64, 32, 1, 4, 8192)]
    [InlineData(10000, 256, 3, 0.5, 2, 100)]
    public void InverseFrequencies_Llama3_MatchesDoubleFormula(
        double theta, int headDimension, double factor, double low, double high, int original)
    {
        RopeDescription rope = new()
        {
            Theta = theta,
            Scaling = RopeScaling.Llama3,
            Factor = factor,
            LowFrequencyFactor = low,
            HighFrequencyFactor = high,
            OriginalMaxPositions = original,
        };
        int kept = 0, scaled = 0, between = 0;

        AssertClose(
            j =>
            {
                double frequency = Plain(theta, j, headDimension), wavelength = 2 * Math.PI / frequency;
                if (wavelength < original / high)
                {
                    kept++;
                    return frequency;
                }

                if (wavelength > original / low)
                {
                    scaled++;
                    return frequency / factor;
                }

                between++;
                double t = (original / wavelength - low) / (high - low);
                return (1 - t) * frequency / factor + t * frequency;
            },
            rope.InverseFrequencies(headDimension));

        Assert.True(kept > 0 && scaled > 0 && between > 0, $"kept {kept}, scaled {scaled}, between {between}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(-2)]
    public void InverseFrequencies_OddOrEmptyHead_Throws(int headDimension) => Assert.Throws<ArgumentOutOfRangeException>(
        () => new RopeDescription { Theta = 10000 }.InverseFrequencies(headDimension));

    private static double Plain(double theta, int j, int headDimension) => Math.Pow(theta, -2.0 * j / headDimension);

    private static void AssertClose(Func<int, double> expected, float[] actual)
    {
        for (int j = 0; j < actual.Length; j++)
        {
            double value = expected(j);
            Assert.InRange(actual[j], value * (1 - Relative), value * (1 + Relative));
        }
    }
}
