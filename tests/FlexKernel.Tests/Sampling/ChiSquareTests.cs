using System.Text.Json;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class ChiSquareTests
{
    private const long Seed = 20260711;

    private static readonly Dictionary<string, JsonElement> Cases =
        SamplingGoldens.Lines("chi-square.jsonl").ToDictionary(c => c.GetProperty("id").GetString()!);

    public static TheoryData<string> Ids => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Next_ManyDraws_FollowTheDistribution(string id)
    {
        JsonElement golden = Cases[id];
        float[] logits = SamplingGoldens.Floats(golden.GetProperty("logits")), copy = new float[logits.Length];
        int draws = golden.GetProperty("draws").GetInt32();
        SamplingOptions options = new() { Temperature = golden.GetProperty("temperature").GetSingle(), Seed = Seed };
        Sampler sampler = new(options, logits.Length, [], expectedTokens: draws);

        int[] counts = new int[logits.Length];
        for (int i = 0; i < draws; i++)
        {
            logits.CopyTo(copy, 0);
            counts[sampler.Next(copy)]++;
        }

        double statistic = Statistic(golden, counts), critical = Critical(golden);
        TestContext.Current.TestOutputHelper?.WriteLine($"{id}: seed {Seed}, statistic {statistic:F1}, critical {critical:F1}");
        Assert.InRange(statistic, 0, critical);
        Assert.All(SamplingGoldens.Ints(golden.GetProperty("zero_ids")), zero => Assert.Equal(0, counts[zero]));
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Statistic_OfCorrectAndWrongDraws_TellsThemApart(string id)
    {
        JsonElement golden = Cases[id];
        (double correct, double correctExpected) = Example("example_correct");
        (double wrong, double wrongExpected) = Example("example_wrong");

        Assert.Equal(correctExpected, correct, correctExpected * 1e-6);
        Assert.Equal(wrongExpected, wrong, wrongExpected * 1e-6);
        Assert.InRange(correct, 0, Critical(golden));
        Assert.True(wrong > Critical(golden), $"statistic {wrong} of the wrong draws is not above {Critical(golden)}");

        (double, double) Example(string name) => (
            Statistic(golden, SamplingGoldens.Ints(golden.GetProperty(name).GetProperty("counts"))),
            golden.GetProperty(name).GetProperty("statistic").GetDouble());
    }

    private static double Critical(JsonElement golden) => golden.GetProperty("critical").GetProperty("1e-06").GetDouble();

    private static double Statistic(JsonElement golden, int[] counts)
    {
        double statistic = 0;
        foreach ((JsonElement group, JsonElement mean) in golden.GetProperty("groups").EnumerateArray().Zip(
            golden.GetProperty("group_expected").EnumerateArray()))
        {
            double expected = mean.GetDouble(), difference = SamplingGoldens.Ints(group).Sum(i => counts[i]) - expected;
            statistic += difference * difference / expected;
        }

        return statistic;
    }
}
