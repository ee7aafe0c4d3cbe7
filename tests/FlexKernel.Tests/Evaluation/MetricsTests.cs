using FlexKernel.Evaluation;
using FlexKernel.Evaluation.Python;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class MetricsTests
{
    private readonly MultipleChoiceFilter _letters = new() { Regex = new PythonRegex("(\\([A-Z]\\))"), IgnoreCase = true, IgnorePunctuation = true };

    [Theory]
    [InlineData("green (or red)", "(B)")]
    [InlineData("GREEN-ish", "(C)")]
    [InlineData("what: \n C", "(C)")]
    [InlineData("what: D", "[invalid]")]
    [InlineData("", "[invalid]")]
    [InlineData("a.b? red", "(A)")]
    [InlineData("it is ( D )", "[invalid]")]
    public void MultipleChoiceFilter_FallsBackStepByStep(string response, string expected) =>
        Assert.Equal(expected, _letters.Extract(response, ["red", "green", "greenish"]));

    [Theory]
    [InlineData(0, "1")]
    [InlineData(-1, "3")]
    [InlineData(2, "3")]
    [InlineData(3, "[invalid]")]
    [InlineData(-4, "[invalid]")]
    public void RegexFilter_GroupSelect_CountsFromEitherEnd(int groupSelect, string expected) =>
        Assert.Equal(expected, new RegexFilter(new PythonRegex("[0-9]"), groupSelect).Extract("1 2 3"));

    [Fact]
    public void MultipleChoiceScore_EmptyChoiceAndTies_TakeTheFirst()
    {
        MultipleChoiceScore score = MultipleChoiceScore.Of(["a", "", "b"], [-1, 0, -1], [-2, -3, -2]);

        // 0 / 0 is not a number, which numpy's arg-max takes for the largest.
        Assert.Equal(new MultipleChoiceScore(1, 1, 1, 1), score);
        Assert.Equal(0, MultipleChoiceScore.Of(["a", "b"], [-1, -1]).PredBytes);
        Assert.Throws<ArgumentException>(() => MultipleChoiceScore.Of(["a"], [-1, -2]));
        Assert.Throws<ArgumentException>(() => MultipleChoiceScore.Of([], []));
    }

    [Fact]
    public void BestSum_RandomTables_EqualsTheBestOfAllPermutations()
    {
        const int Seed = 11;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {Seed}");
        Random random = new(Seed);
        for (int round = 0; round < 300; round++)
        {
            double[,] values = new double[random.Next(1, 6), random.Next(1, 6)];
            for (int i = 0; i < values.Length; i++)
            {
                values[i / values.GetLength(1), i % values.GetLength(1)] = random.Next(0, 5) / 4.0;
            }

            Assert.Equal(BestOfAll(values, 0, 0), Assignment.BestSum(values), 12);
        }

        static double BestOfAll(double[,] values, int row, int used)
        {
            if (row == values.GetLength(0))
            {
                return 0;
            }

            double best = BestOfAll(values, row + 1, used);
            for (int column = 0; column < values.GetLength(1); column++)
            {
                best = (used >> column & 1) == 1 ? best : Math.Max(best, values[row, column] + BestOfAll(values, row + 1, used | 1 << column));
            }

            return best;
        }
    }

    [Fact]
    public void RollingWindows_AnySizes_PredictEachTokenOnceAfterItsOwnContext()
    {
        int[] tokens = [.. Enumerable.Range(100, 37)];
        for (int length = 1; length <= 40; length++)
        {
            for (int context = 1; context <= length; context++)
            {
                IReadOnlyList<TokenWindow> windows = RollingWindows.Cut(tokens, 7, length, context);

                Assert.Equal(tokens, windows.SelectMany(w => w.Targets.ToArray()));
                Assert.All(windows, w => Assert.True(w.Input.Length <= length && w.Input.Length >= Math.Min(w.Targets.Length, length)));
                Assert.All(windows, w => Assert.Equal(w.Targets.Span[^1] - 1, w.Input.Length == 1 && w.Input.Span[0] == 7 ? 99 : w.Input.Span[^1]));
                Assert.All(windows.Skip(1), w => Assert.True(w.Input.Length - w.Targets.Length + 1 >= Math.Min(context, length)));
            }
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => RollingWindows.Cut(tokens, 7, 4, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => RollingWindows.Cut(tokens, 7, 4, 0));
    }

    [Fact]
    public void Bootstrap_EqualDocuments_AgreesWithTheNormalInterval()
    {
        const int Seed = 3;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {Seed}");
        Random random = new(Seed);
        TextScore[] documents = [.. Enumerable.Range(0, 400).Select(_ => new TextScore(-100 * (1 + random.NextDouble()), 50, 100, 20))];
        SampleStatistics rates = SampleStatistics.Of([.. documents.Select(d => d.BitsPerByte)]);

        Interval drawn = Bootstrap.BitsPerByte(documents, seed: 1)!.Value, normal = rates.Confidence95!.Value;

        double width = normal.High - normal.Low;
        Assert.InRange(drawn.Low, normal.Low - 0.15 * width, normal.Low + 0.15 * width);
        Assert.InRange(drawn.High, normal.High - 0.15 * width, normal.High + 0.15 * width);
        Assert.Equal(drawn, Bootstrap.BitsPerByte(documents, seed: 1));
        Assert.NotEqual(drawn, Bootstrap.BitsPerByte(documents, seed: 2));
        Assert.Null(Bootstrap.BitsPerByte(documents[..1]));
    }

    [Fact]
    public void Bootstrap_Difference_IsPairedByDocument()
    {
        Random random = new(4);
        TextScore[] documents = [.. Enumerable.Range(0, 50).Select(_ => new TextScore(-100 * (1 + random.NextDouble()), 50, 100, 20))];

        // One bit per byte more for every document: no spread is left.
        TextScore[] worse = [.. documents.Select(d => d with { LogLikelihood = d.LogLikelihood - 100 * Math.Log(2) })];
        Interval difference = Bootstrap.BitsPerByteDifference(worse, documents)!.Value;

        Assert.Equal(1, difference.Low, 9);
        Assert.Equal(1, difference.High, 9);
        Assert.Throws<ArgumentException>(() => Bootstrap.BitsPerByteDifference(documents, documents[1..]));
    }

    [Fact]
    public void Sum_TextWithoutTokens_CountsNothing()
    {
        TextScore one = TextScore.Of("a b", [-1, -2]), empty = TextScore.Of("", []), part = new(-4, 2, 6, null);

        Assert.Equal(one, TextScore.Sum([one, empty]));
        Assert.Equal(new TextScore(-7, 4, 9, null), TextScore.Sum([one, part]));
        Assert.Null(part.WordPerplexity);
    }
}
