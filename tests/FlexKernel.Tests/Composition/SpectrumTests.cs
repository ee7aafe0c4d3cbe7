using FlexKernel.Composition;
using Xunit;

namespace FlexKernel.Tests.Composition;

public sealed class SpectrumTests
{
    [Fact]
    public void Energy_IsOfSquares()
    {
        Spectrum spectrum = new([4, 2, 2, 1]);

        Assert.Equal(5, spectrum.Norm);
        Assert.Equal([0, 16 / 25.0, 20 / 25.0, 24 / 25.0, 1, 1], Enumerable.Range(0, 6).Select(spectrum.Energy));
        Assert.Equal(1, spectrum.RankForEnergy(0.64));
        Assert.Equal(2, spectrum.RankForEnergy(0.65));
        Assert.Equal(3, spectrum.RankForEnergy(0.95));
        Assert.Equal(4, spectrum.RankForEnergy(1));
    }

    [Fact]
    public void Zero_HasNoRank()
    {
        Spectrum spectrum = new([0, 0, 0]);

        Assert.Equal(0, spectrum.EffectiveRank);
        Assert.Equal(0, spectrum.RankForEnergy(0.95));
        Assert.Equal(1, spectrum.Energy(0));
        Assert.Equal(0, spectrum.Norm);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(48)]
    [InlineData(4096)]
    public void EffectiveRank_OfAFlatSpectrum_IsItsLength(int count) =>
        Assert.Equal(count, new Spectrum([.. Enumerable.Repeat(0.1, count)]).EffectiveRank);

    // q = 2/3, 1/3: exp(ln 3 - 2/3 ln 2) = 1.89.
    [Fact]
    public void EffectiveRank_IsThatOfTheValues() => Assert.Equal(2, new Spectrum([2, 1, 0]).EffectiveRank);

    [Theory]
    [InlineData(1.0, 2.0)]
    [InlineData(1.0, -1.0)]
    [InlineData(double.PositiveInfinity, 1.0)]
    [InlineData(1.0, double.NaN)]
    public void Values_OutOfOrderOrRange_AreRefused(double first, double second) =>
        Assert.Throws<ArgumentException>("values", () => new Spectrum([first, second]));

    [Theory]
    [InlineData(0)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void RankForEnergy_OfNoShare_IsRefused(double share) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Spectrum([1]).RankForEnergy(share));
}
