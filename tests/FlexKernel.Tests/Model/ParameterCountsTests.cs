using System.Text.Json;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Parameter counts against the reference classes and the specification's tables, digit for digit.</summary>
public sealed class ParameterCountsTests
{
    [Theory]
    [InlineData("bar-5x7b")]
    [InlineData("flexmore-2x-r64")]
    [InlineData("flexmore-7x-mixed")]
    [InlineData("flexmore-7x-r4096")]
    [InlineData("flexmore-7x-r64")]
    [InlineData("flexolmo-2x7b")]
    [InlineData("flexolmo-7x7b")]
    public void Of_FullSizeMixture_EqualsTheReferenceClasses(string name)
    {
        ParameterCounts counts = ParameterCounts.Of(ModelConfigReader.Read(TestData.Fixture($"counts/{name}/config.json")));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(TestData.Fixture($"counts/{name}/counts.json")));
        JsonElement golden = document.RootElement;

        Assert.Equal(golden.GetProperty("total_parameters").GetInt64(), counts.Total);
        Assert.Equal(golden.GetProperty("parameters_without_experts").GetInt64(), counts.OutsideExperts);
        Assert.Equal(golden.GetProperty("parameters_per_expert").EnumerateArray().Select(n => n.GetInt64()), counts.PerExpert);
        Assert.Equal(golden.GetProperty("num_experts").GetInt32(), counts.Active.Length);
        foreach (JsonElement active in golden.GetProperty("active").EnumerateArray())
        {
            ActiveCounts actual = counts.At(active.GetProperty("k").GetInt32());
            Assert.Equal(Range(active, "active"), actual.Parameters);

            // Without low-rank experts the file leaves the entry out: no expert has a base.
            bool hasBases = active.TryGetProperty("active_with_bases_min", out _);
            Assert.Equal(hasBases ? Range(active, "active_with_bases") : actual.Parameters, actual.ParametersWithBases);
        }
    }

    [Fact]
    public void Of_FullSizeDenseModel_EqualsTheReferenceClass()
    {
        ParameterCounts counts = ParameterCounts.Of(ModelConfigReader.Read(TestData.Fixture("counts/olmo2-7b/config.json")));

        Assert.Equal((7298617344, 7298617344), (counts.Total, counts.OutsideExperts));
        Assert.Equal(new CountRange(7298617344, 7298617344), counts.At(0).Parameters);
        Assert.Throws<ArgumentOutOfRangeException>(() => counts.At(1));
    }

    [Theory]
    [InlineData(100352, 7298617344)]
    [InlineData(100278, 7298011136)]
    public void Total_Dense_EqualsTheTable(int vocabulary, long expected) =>
        Assert.Equal(expected, ParameterCounts.Of(ModelFixtures.Dense(vocabulary)).Total);

    [Theory]
    [InlineData(100352, 2, 11627401216)]
    [InlineData(100278, 2, 11626795008)]
    [InlineData(100352, 3, 15956054016)]
    [InlineData(100278, 5, 24612753408)]
    [InlineData(100352, 7, 33270665216)]
    [InlineData(100278, 7, 33270059008)]
    [InlineData(100352, 8, 37599318016)]
    public void Total_FullExperts_EqualsTheTable(int vocabulary, int experts, long expected) =>
        Assert.Equal(expected, ParameterCounts.Of(ModelFixtures.SevenBillion(new int[experts], vocabulary)).Total);

    [Fact]
    public void Active_FourOfEight_EqualsTheTable() => Assert.Equal(
        new CountRange(20285231104, 20285231104), ParameterCounts.Of(ModelFixtures.SevenBillion(new int[8])).At(4).Parameters);

    [Theory]
    [InlineData(1, 1449984, 7300329472, 7308234752)]
    [InlineData(2, 2899968, 7301779456, 7316934656)]
    [InlineData(4, 5799936, 7304679424, 7334334464)]
    [InlineData(8, 11599872, 7310479360, 7369134080)]
    [InlineData(16, 23199744, 7322079232, 7438733312)]
    [InlineData(32, 46399488, 7345278976, 7577931776)]
    [InlineData(64, 92798976, 7391678464, 7856328704)]
    [InlineData(128, 185597952, 7484477440, 8413122560)]
    [InlineData(256, 371195904, 7670075392, 9526710272)]
    [InlineData(512, 742391808, 8041271296, 11753885696)]
    [InlineData(1024, 1484783616, 8783663104, 16208236544)]
    [InlineData(2048, 2969567232, 10268446720, 25116938240)]
    [InlineData(4096, 5939134464, 13238013952, 42934341632)]
    [InlineData(8192, 11878268928, 19177148416, 78569148416)]
    [InlineData(16384, 23756537856, 31055417344, 149838761984)]
    public void Total_LowRankExperts_EqualsTheTable(int rank, long perExpert, long ofTwo, long ofSeven)
    {
        ParameterCounts two = ParameterCounts.Of(ModelFixtures.SevenBillion([0, rank]));
        ParameterCounts seven = ParameterCounts.Of(ModelFixtures.SevenBillion(ModelFixtures.OneFullAndSix(rank)));

        Assert.Equal((perExpert, ofTwo, ofSeven), (two.PerExpert[1], two.Total, seven.Total));
        Assert.Equal(4328521728, seven.PerExpert[0]);
    }

    [Fact]
    public void Total_PublishedMixtures_EqualTheText()
    {
        Assert.Equal(10749046784, ParameterCounts.Of(ModelFixtures.SevenBillion([0, 1, 2, 8, 64, 256, 2048])).Total);
        Assert.Equal(10750496768, ParameterCounts.Of(ModelFixtures.SevenBillion([0, 4, 8, 64, 256, 1024, 1024])).Total);
        Assert.Equal(7624331264, ParameterCounts.Of(ModelFixtures.SevenBillion([0, 64, 16, 64, 32, 16, 32])).Total);
    }

    [Fact]
    public void Total_SixPowersOfTwo_FitThePublishedSizeInSeventeenWays()
    {
        int ways = 0, withOneLargest = 0, withTwoHalves = 0;
        foreach (int[] ranks in Multisets(6, 14))
        {
            long total = ParameterCounts.Of(ModelFixtures.SevenBillion([0, .. ranks])).Total;
            if (total is >= 10745000000 and < 10755000000)
            {
                ways++;
                withOneLargest += ranks.Count(r => r == 2048) == 1 ? 1 : 0;
                withTwoHalves += ranks.Count(r => r == 1024) == 2 ? 1 : 0;
            }
        }

        Assert.Equal((17, 14, 3), (ways, withOneLargest, withTwoHalves));
    }

    [Fact]
    public void PerExpert_BreaksEvenBetweenRanks2985And2986()
    {
        ParameterCounts counts = ParameterCounts.Of(ModelFixtures.SevenBillion([0, 2985, 2986]));

        Assert.True(counts.PerExpert[1] < counts.PerExpert[0] && counts.PerExpert[0] < counts.PerExpert[2]);
    }

    [Fact]
    public void Total_TiedEmbeddings_CountsTheHeadOnce()
    {
        ModelDescription model = ModelFixtures.Dense();

        Assert.Equal(100352L * 4096, ParameterCounts.Of(model).Total - ParameterCounts.Of(model with { TieEmbeddings = true }).Total);
    }

    [Theory]
    [InlineData("flexmore-chained")]
    [InlineData("llama-bias")]
    [InlineData("mixtral")]
    [InlineData("olmoe")]
    [InlineData("tiny-mixture")]
    public void Total_EqualsTheSumOverTheLayout(string name)
    {
        ModelDescription model = ModelFixtures.Read(name);

        Assert.Equal(new TensorLayout(model).Tensors.Sum(t => t.ElementCount), ParameterCounts.Of(model).Total);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public void At_ImpossibleNumberOfExperts_Throws(int k) => Assert.Throws<ArgumentOutOfRangeException>(
        () => ParameterCounts.Of(ModelFixtures.SevenBillion(new int[7])).At(k));

    private static CountRange Range(JsonElement active, string name) =>
        new(active.GetProperty($"{name}_min").GetInt64(), active.GetProperty($"{name}_max").GetInt64());

    // All non-decreasing lists of powers of two from 2^0 to 2^largest.
    private static IEnumerable<int[]> Multisets(int length, int largest, int smallest = 0) => length == 0
        ? [[]]
        : Enumerable.Range(smallest, largest - smallest + 1)
            .SelectMany(e => Multisets(length - 1, largest, e).Select(rest => (int[])[1 << e, .. rest]));
}
