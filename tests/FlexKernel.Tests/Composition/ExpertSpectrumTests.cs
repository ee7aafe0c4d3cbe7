using FlexKernel.Checkpoints;
using FlexKernel.Composition;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Composition;

public sealed class ExpertSpectrumTests
{
    [Fact]
    public void Read_Chain_ComparesEveryExpertWithItsBase()
    {
        string directory = TestData.Fixture("models/flexmore-chained");

        ExpertSpectrum[] spectra = [.. ExpertSpectrum.Read(directory, cancellationToken: TestContext.Current.CancellationToken)];

        Assert.Equal([(1, 0), (2, 1), (3, 0), (4, 3), (5, 2)], spectra.Select(s => (s.Expert.Index, s.Base.Index)));
        Assert.All(spectra, s => Assert.Equal(9, s.Matrices.Length));
        Assert.Equal([3, 2, 40, 5, 4], spectra.Select(s => s.Matrices[0].Difference.Values.Length));
        Assert.Equal([TensorRole.Gate, TensorRole.Up, TensorRole.Down], spectra[0].Matrices[3..6].Select(m => m.Projection));
    }

    [Fact]
    public void Read_FullExpert_HasTheNormsOfTheDifference()
    {
        string directory = TestData.Fixture("models/flexmore-chained");
        using WeightFiles files = WeightFiles.Open(directory);
        double[] baseValues = files["model.layers.1.mlp.experts.0.down_proj.weight"].ReadDoubles();
        double[] values = files["model.layers.1.mlp.experts.3.down_proj.weight"].ReadDoubles();
        double expected = Norm(values.Zip(baseValues, (v, b) => v - b));

        ExpertSpectrum spectrum = Assert.Single(ExpertSpectrum.Read(directory, "3", cancellationToken: TestContext.Current.CancellationToken));

        MatrixSpectrum matrix = spectrum.Matrices.Single(m => m is { Layer: 1, Projection: TensorRole.Down });
        Assert.Equal(expected, matrix.Difference.Norm, 1e-6 * expected);
        Assert.Equal(Norm(baseValues), matrix.BaseNorm, 1e-12 * Norm(baseValues));
        Assert.Equal(expected / Norm(baseValues), matrix.RelativeNorm, 1e-6);
    }

    [Fact]
    public void Read_LowRankExpert_HasTheValuesOfItsScaledProduct()
    {
        string directory = TestData.Fixture("models/flexmore-chained");
        using WeightFiles files = WeightFiles.Open(directory);
        double[] a = files["model.layers.2.mlp.experts.4.gate_proj_a.weight"].ReadDoubles();
        double[] b = files["model.layers.2.mlp.experts.4.gate_proj_b.weight"].ReadDoubles();
        float[] product = new float[100 * 40];
        for (int i = 0; i < product.Length; i++)
        {
            // Scale 10 / 5.
            product[i] = (float)(2 * Enumerable.Range(0, 5).Sum(k => b[i / 40 * 5 + k] * a[k * 40 + i % 40]));
        }

        ExpertSpectrum spectrum = Assert.Single(ExpertSpectrum.Read(directory, "4", cancellationToken: TestContext.Current.CancellationToken));

        double[] expected = SingularValues.Of(product, 100, 40, TestContext.Current.CancellationToken);
        double[] found = [.. spectrum.Matrices.Single(m => m is { Layer: 2, Projection: TensorRole.Gate }).Difference.Values];
        Assert.Equal(5, found.Length);
        Assert.All(found.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-6 * expected[0]));
        Assert.Equal(2, spectrum.Expert.Scale);
    }

    [Fact]
    public void Read_FusedExperts_AreThoseOfTheirOwnNames()
    {
        string split = TestData.Fixture("models/flexolmo-headdim-fused"), fused = Path.Combine(split, "fused");

        ExpertSpectrum[] own = [.. ExpertSpectrum.Read(split, cancellationToken: TestContext.Current.CancellationToken)];
        ExpertSpectrum[] together = [.. ExpertSpectrum.Read(fused, cancellationToken: TestContext.Current.CancellationToken)];

        Assert.NotEmpty(own);
        Assert.Equal(Flat(own), Flat(together));

        static IEnumerable<double> Flat(ExpertSpectrum[] spectra) =>
            spectra.SelectMany(s => s.Matrices).SelectMany(m => m.Difference.Values.Append(m.BaseNorm));
    }

    [Fact]
    public void Read_NamedBase_IsTheOtherWayRound()
    {
        string directory = TestData.Fixture("models/flexmore-chained");

        ExpertSpectrum forth = Assert.Single(ExpertSpectrum.Read(directory, "3", cancellationToken: TestContext.Current.CancellationToken));
        ExpertSpectrum back = Assert.Single(ExpertSpectrum.Read(directory, "0", "3", cancellationToken: TestContext.Current.CancellationToken));

        Assert.Equal(3, back.Base.Index);
        Assert.All(
            forth.Matrices.Zip(back.Matrices),
            pair => Assert.Equal(pair.First.Difference.Norm, pair.Second.Difference.Norm, 1e-12 * pair.First.Difference.Norm));
        Assert.NotEqual(forth.Matrices[0].BaseNorm, back.Matrices[0].BaseNorm);
    }

    [Theory]
    [InlineData("models/flexmore-chained", "0", null, "base")]
    [InlineData("models/flexmore-chained", "9", null, "'9'")]
    [InlineData("models/flexmore-chained", null, "2", "low-rank")]
    [InlineData("models/olmo2", null, null, "dense")]
    public void Read_WhatCannotBeCompared_IsRefused(string model, string? expert, string? baseExpert, string text)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => ExpertSpectrum.Read(
            TestData.Fixture(model), expert, baseExpert, cancellationToken: TestContext.Current.CancellationToken));

        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Cancelled_Stops() => Assert.ThrowsAny<OperationCanceledException>(() => ExpertSpectrum.Read(
        TestData.Fixture("models/flexmore-chained"), cancellationToken: new CancellationToken(canceled: true)));

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(v => v * v));
}
