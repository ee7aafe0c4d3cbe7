using System.Globalization;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Work and traffic per token against the cost tables of the specification, to the printed digits.</summary>
public sealed class CostTableTests
{
    // GFLOP per token for k = 1 to 7, feed-forward blocks only, the public expert among the chosen.
    private const string Fused = """
        1 8.657 8.660 8.663 8.666 8.669 8.672 8.674
        2 8.657 8.663 8.669 8.674 8.680 8.686 8.692
        4 8.657 8.669 8.680 8.692 8.703 8.715 8.727
        8 8.657 8.680 8.703 8.727 8.750 8.773 8.796
        16 8.657 8.703 8.750 8.796 8.843 8.889 8.935
        32 8.657 8.750 8.843 8.935 9.028 9.121 9.214
        64 8.657 8.843 9.028 9.214 9.399 9.585 9.771
        128 8.657 9.028 9.399 9.771 10.142 10.513 10.884
        256 8.657 9.399 10.142 10.884 11.627 12.369 13.111
        512 8.657 10.142 11.627 13.111 14.596 16.081 17.566
        1024 8.657 11.627 14.596 17.566 20.535 23.505 26.474
        2048 8.657 14.596 20.535 26.474 32.414 38.353 44.292
        4096 8.657 20.535 32.414 44.292 56.170 68.048 79.927
        8192 8.657 32.414 56.170 79.927 103.683 127.440 151.196
        16384 8.657 56.170 103.683 151.196 198.709 246.222 293.735
        """;

    private const string Unfused = """
        1 8.657 17.317 25.977 34.637 43.297 51.957 60.617
        16 8.657 17.360 26.064 34.767 43.471 52.174 60.878
        64 8.657 17.500 26.342 35.185 44.028 52.870 61.713
        256 8.657 18.056 27.456 36.855 46.255 55.654 65.054
        1024 8.657 20.284 31.910 43.537 55.163 66.790 78.417
        2048 8.657 23.253 37.849 52.446 67.042 81.638 96.234
        4096 8.657 29.192 49.728 70.263 90.798 111.334 131.869
        16384 8.657 64.827 120.997 177.167 233.338 289.508 345.678
        """;

    private const string Full = "0 8.657 17.314 25.971 34.628 43.285 51.942 60.599";

    [Fact]
    public void FusedMacs_EqualTheTable() => AssertTable(Fused, counts => counts.FusedMacs.Min);

    [Fact]
    public void UnfusedMacs_EqualTheTable() => AssertTable(Unfused, counts => counts.UnfusedMacs.Min);

    [Fact]
    public void MacsOfFullExperts_EqualTheTable()
    {
        AssertTable(Full, counts => counts.FusedMacs.Min);
        AssertTable(Full, counts => counts.UnfusedMacs.Max);
        AssertTable(Full, counts => counts.MaterialisedMacs);
    }

    // The same figures are GB of bf16 weights: what a decode step reads beyond the part outside the experts.
    [Fact]
    public void DecodeBytes_OfTheFeedForwardBlocks_EqualTheTable() => AssertTable(Fused, counts =>
    {
        long outside = ParameterCounts.Of(ModelFixtures.SevenBillion(new int[7])).At(1).DecodeParameters.Min - 4328521728;
        return (counts.DecodeBytes(16).Min - 2 * outside) / 2;
    });

    [Theory]
    [InlineData(64, 4)]
    [InlineData(1024, 2)]
    public void FusedMacs_WithoutThePublicExpert_CostOneMoreAdapter(int rank, int k)
    {
        ActiveCounts counts = Counts(rank, k);

        Assert.Equal(1449984L * rank, counts.FusedMacs.Max - counts.FusedMacs.Min);
    }

    [Theory]
    [InlineData(64, 1.086)]
    [InlineData(16, 1.021)]
    public void FusedMacs_FourAdapters_CostLittleMoreThanOneDenseBlock(int rank, double ratio) =>
        Assert.Equal(ratio, Counts(rank, 4).FusedMacs.Max / 4328521728.0, 0.0005);

    // The last rank below (k-1)/k * 2985.22; the specification rounds 2238.9 and 2487.7 up.
    [Theory]
    [InlineData(2, 1492)]
    [InlineData(3, 1990)]
    [InlineData(4, 2238)]
    [InlineData(5, 2388)]
    [InlineData(6, 2487)]
    public void FusedMacs_WithoutThePublicExpert_BeatFullExpertsUpToTheBreakEvenRank(int k, int rank)
    {
        Assert.True(Counts(rank, k).FusedMacs.Max < Counts(rank, k).MaterialisedMacs);
        Assert.True(Counts(rank + 1, k).FusedMacs.Max > Counts(rank + 1, k).MaterialisedMacs);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    public void FusedMacs_WithThePublicExpert_BeatFullExpertsUpToRank2985(int k)
    {
        Assert.True(Counts(2985, k).FusedMacs.Min < Counts(2985, k).MaterialisedMacs);
        Assert.True(Counts(2986, k).FusedMacs.Min > Counts(2986, k).MaterialisedMacs);
    }

    [Fact]
    public void OutsideMacs_ReleasedModel_EqualTheText() =>
        Assert.Equal(2559442944, ParameterCounts.Of(ModelFixtures.SevenBillion(new int[7])).OutsideMacs);

    [Theory]
    [InlineData(0, 7, 65.7)]
    [InlineData(64, 7, 14.9)]
    [InlineData(1024, 7, 31.6)]
    [InlineData(64, 1, 13.8)]
    public void DecodeBytes_Bf16_EqualTheText(int rank, int k, double gigabytes) =>
        Assert.Equal(gigabytes, Counts(rank, k).DecodeBytes(16).Min / 1e9, 0.05);

    [Fact]
    public void Counts_HeterogeneousMixture_EqualTheText()
    {
        ParameterCounts counts = ParameterCounts.Of(ModelFixtures.SevenBillion([0, 4, 8, 64, 256, 1024, 1024]));

        Assert.Equal(15.559, 2 * counts.At(7).FusedMacs.Min / 1e9, 0.0005);
        Assert.Equal(21.5, 2 * counts.Total / 1e9, 0.05);
        Assert.Equal(6.0, counts.Total * 4.5 / 8 / 1e9, 0.05);
    }

    [Fact]
    public void AttentionMacsAndKeyValueElements_ReleasedModel_EqualTheText()
    {
        ParameterCounts counts = ParameterCounts.Of(ModelFixtures.Dense());

        Assert.Equal(524288L * 1000, 2 * counts.AttentionMacs(1000));
        Assert.Equal(524288L * 1000, 2 * counts.KeyValueElements(1000));
        Assert.Throws<ArgumentOutOfRangeException>(() => counts.AttentionMacs(-1));
    }

    // Worked by hand: d 40, h 100, 3 layers: a full expert has 36,000 weights, a rank unit 1,260.
    [Fact]
    public void Counts_ChainOfBases_CountEveryLink()
    {
        ParameterCounts counts = ParameterCounts.Of(ModelFixtures.Read("flexmore-chained"));

        // Ranks 0, 3, 2, 0, 5, 4; chains 5 → 2 → 1 → 0 and 4 → 3.
        Assert.Equal([36000, 3780, 2520, 36000, 6300, 5040], counts.PerExpert);
        long outside = counts.OutsideExperts;
        Assert.Equal(new CountRange(outside + 2520, outside + 36000), counts.At(1).Parameters);
        Assert.Equal(new CountRange(outside + 36000, outside + 36000 + 3780 + 2520 + 5040), counts.At(1).ParametersWithBases);
        Assert.Equal(new CountRange(36000, 36000 + 1260 * 9), counts.At(1).FusedMacs);
        Assert.Equal(new CountRange(36000 + 36000, 36000 * 2 + 1260 * (9 + 5)), counts.At(2).UnfusedMacs);
        Assert.Equal(new CountRange(36000 + 3780, 72000 + 1260 * (9 + 5)), counts.At(2).FusedMacs);
    }

    private static void AssertTable(string table, Func<ActiveCounts, long> macs)
    {
        foreach (string line in table.Split('\n'))
        {
            string[] cells = line.Trim().Split(' ');
            int rank = int.Parse(cells[0], CultureInfo.InvariantCulture);
            ParameterCounts counts = ParameterCounts.Of(ModelFixtures.SevenBillion(ModelFixtures.OneFullAndSix(rank)));
            for (int k = 1; k <= 7; k++)
            {
                string actual = Math.Round(2 * macs(counts.At(k)) / 1e9m, 3).ToString("F3", CultureInfo.InvariantCulture);
                Assert.Equal((rank, k, cells[k]), (rank, k, actual));
            }
        }
    }

    private static ActiveCounts Counts(int rank, int k) =>
        ParameterCounts.Of(ModelFixtures.SevenBillion(ModelFixtures.OneFullAndSix(rank))).At(k);
}
