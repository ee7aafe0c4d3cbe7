using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class PortableMathTests
{
    private const int Seed = 5;
    private const long ExpectedHash = -950133640482751464;

    [Fact]
    public void Exp_RandomArguments_WithinFourUnitsInTheLastPlace()
    {
        Random random = new(Seed);
        IEnumerable<float> far = Enumerable.Range(0, 10_000).Select(_ => -700 * random.NextSingle());
        IEnumerable<float> near = Enumerable.Range(0, 10_000).Select(_ => -2 * random.NextSingle());
        float[] x = [0, -0f, -1e-30f, -0.5f, -87, -700, -707.9f, .. far, .. near];
        double[] actual = new double[x.Length];

        PortableMath.Exp(x, 0, actual);

        for (int i = 0; i < x.Length; i++)
        {
            double expected = Math.Exp(x[i]), unit = Math.BitIncrement(expected) - expected;
            Assert.True(Math.Abs(actual[i] - expected) <= 4 * unit, $"exp({x[i]:R}) = {actual[i]:R}, expected {expected:R}");
        }
    }

    [Fact]
    public void Exp_AnyPlaceInTheVector_SameBits()
    {
        float[] x = [-0.1f, -1.7f, -20.3f, -3f, -0.1f, -1.7f, -20.3f];
        double[] actual = new double[7];

        PortableMath.Exp(x, 0.25, actual);

        Assert.Equal(actual[..3], actual[4..]);
    }

    // Computed by the same formula in another language: a machine or compiler that fuses or reorders operations fails here.
    [Fact]
    public void Exp_FixedArguments_SameBitsOnEveryMachine()
    {
        float[] x = [.. Enumerable.Range(0, 4001).Select(i => i / -64f)];
        double[] actual = new double[x.Length];

        PortableMath.Exp(x, 0.125, actual);

        long hash = actual.Aggregate(17L, (h, v) => unchecked(h * 31 + BitConverter.DoubleToInt64Bits(v)));
        Assert.Equal(ExpectedHash, hash);
    }

    [Fact]
    public void Exp_FarBelow_IsZero()
    {
        double[] actual = new double[3];

        PortableMath.Exp([float.NegativeInfinity, -709, float.MinValue], 0, actual);

        Assert.Equal([0, 0, 0], actual);
    }

    [Fact]
    public void Log_RandomArguments_WithinFourUnitsInTheLastPlaceOfTheLargerOfResultAndOne()
    {
        Random random = new(Seed);
        IEnumerable<double> drawn = Enumerable.Range(0, 20_000).Select(_ => Math.Exp(random.NextDouble() * 200 - 100));
        foreach (double x in (double[])[1, 2, 0.5, Math.Sqrt(2), double.MaxValue, 1e-300, .. drawn])
        {
            double expected = Math.Log(x), actual = PortableMath.Log(x), size = Math.Max(1, Math.Abs(expected));
            double unit = Math.BitIncrement(size) - size;
            Assert.True(Math.Abs(actual - expected) <= 4 * unit, $"log({x:R}) = {actual:R}, expected {expected:R}");
        }
    }

    [Fact]
    public void LogSumExp_SeveralBlocks_MatchesDefinition()
    {
        Random random = new(Seed);
        float[] x = [.. Enumerable.Range(0, 1000).Select(_ => random.NextSingle() * 20 - 10)];

        double expected = Math.Log(x.Sum(v => Math.Exp(v)));

        Assert.Equal(expected, PortableMath.LogSumExp(x, x.Max()), 1e-13);
    }

    [Theory]
    [InlineData(0.1, 0.1f)]
    [InlineData(0.3, 0.3f)]
    [InlineData(1.0, 1f)]
    [InlineData(double.NegativeInfinity, float.NegativeInfinity)]
    public void CeilingToSingle_AnyValue_IsTheSmallestFloatNotBelow(double x, float nearest)
    {
        float actual = PortableMath.CeilingToSingle(x);

        Assert.True(actual >= x);
        Assert.InRange(actual, nearest, MathF.BitIncrement(nearest));
        Assert.True(actual == x || MathF.BitDecrement(actual) < x);
    }
}
