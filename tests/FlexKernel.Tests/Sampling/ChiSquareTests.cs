using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class ChiSquareTests
{
    private static readonly Lazy<Dictionary<string, SamplingDraws>> Cases =
        new(() => SamplingDraws.Read(TestData.Fixture("sampling")).ToDictionary(c => c.Id));

    public static TheoryData<string> Ids => [.. Cases.Value.Keys];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Next_ManyDraws_FollowTheDistribution(string id) =>
        GoldenCheck.Passes(comparison => SamplingCase.CompareDraws(Cases.Value[id], comparison));

    [Theory]
    [MemberData(nameof(Ids))]
    public void Statistic_OfCorrectAndWrongDraws_TellsThemApart(string id)
    {
        SamplingDraws draws = Cases.Value[id];

        Assert.InRange(draws.Statistic(draws.Example("example_correct").Counts), 0, draws.Critical);
        Assert.True(draws.Statistic(draws.Example("example_wrong").Counts) > draws.Critical);
    }
}
