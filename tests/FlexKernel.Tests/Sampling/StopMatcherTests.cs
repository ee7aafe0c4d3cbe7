using System.Text;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class StopMatcherTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 300)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Append_RandomSplits_ReleasesExactlyWhatTheDefinitionAllows(int seed)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        Random random = new(seed);
        int letters = random.Next(1, 4);
        string[] stops = [.. Enumerable.Range(0, random.Next(0, 5)).Select(_ => Text(random.Next(1, 8)))];
        bool include = random.Next(2) == 0;
        StopMatcher matcher = new(stops, [], include);

        StringBuilder fed = new(), released = new();
        for (int piece = 0; piece < 20; piece++)
        {
            string next = Text(random.Next(0, 6));
            fed.Append(next);

            released.Append(matcher.Append(next));

            (string expected, string? match) = Definition(fed.ToString(), stops, include);
            Assert.Equal(expected, released.ToString());
            Assert.Equal(match, matcher.Match);
        }

        released.Append(matcher.Finish());
        (string whole, string? stopped) = Definition(fed.ToString(), stops, include);
        Assert.Equal(stopped is null ? fed.ToString() : whole, released.ToString());

        string Text(int length) => string.Concat(Enumerable.Range(0, length).Select(_ => (char)('a' + random.Next(letters))));
    }

    [Fact]
    public void Append_StopSplitOverTokens_NeverReleasesItsBeginning()
    {
        StopMatcher matcher = new(["\nUser:"], []);

        Assert.Equal("Hello", matcher.Append("Hello").ToString());
        Assert.Equal(" there", matcher.Append(" there\nUs").ToString());
        Assert.Equal("\nUseful\n", matcher.Append("eful\n\nUse").ToString());
        Assert.Equal("", matcher.Append("r: and more").ToString());
        Assert.Equal("\nUser:", matcher.Match);
        Assert.Equal("", matcher.Append("\nlate").ToString());
        Assert.Equal("", matcher.Finish().ToString());
    }

    [Fact]
    public void Append_StopIncluded_EndsWithIt()
    {
        StopMatcher matcher = new(["</a>"], [], includeStop: true);

        Assert.Equal("x", matcher.Append("x<").ToString());
        Assert.Equal("</a>", matcher.Append("/a>y").ToString());
    }

    [Fact]
    public void Append_SeveralStopsEndTogether_LongestWins()
    {
        StopMatcher matcher = new(["bc", "abc", "c"], []);

        Assert.Equal("xx", matcher.Append("xxabcyy").ToString());
        Assert.Equal("abc", matcher.Match);
    }

    [Fact]
    public void Append_ShorterStopCompleteFirst_WinsOverLongerStillOpen()
    {
        StopMatcher matcher = new(["abcd", "bc"], []);

        Assert.Equal("a", matcher.Append("abcd").ToString());
        Assert.Equal("bc", matcher.Match);
    }

    [Fact]
    public void Finish_OpenBeginning_IsReleased()
    {
        StopMatcher matcher = new(["STOP"], []);

        Assert.Equal("a ", matcher.Append("a STO").ToString());
        Assert.Equal("STO", matcher.Finish().ToString());
    }

    [Fact]
    public void Append_NoStops_ReleasesEverything()
    {
        StopMatcher matcher = new([], []);

        Assert.Equal("any text", matcher.Append("any text").ToString());
    }

    [Fact]
    public void Append_EmojiStop_MatchesWholeSurrogatePair()
    {
        StopMatcher matcher = new(["\U0001F600"], []);

        Assert.Equal("a\U0001F601", matcher.Append("a\U0001F601").ToString());
        Assert.Equal("b", matcher.Append("b\U0001F600").ToString());
    }

    // A search that starts over at each character would take 10^10 comparisons; the test would not end.
    [Fact]
    public void Append_LongNearMisses_StaysLinear()
    {
        string stop = new string('a', 100_000) + "b";
        StopMatcher matcher = new([stop], []);
        int released = 0;
        for (int i = 0; i < 200_000; i++)
        {
            released += matcher.Append("a").Length;
        }

        Assert.Equal(100_000, released);
        Assert.Equal(0, matcher.Append("b").Length);
        Assert.Equal(stop, matcher.Match);
    }

    [Fact]
    public void Append_Tokens_AllocatesNothing()
    {
        StopMatcher matcher = new(["<|end|>", "\n\nUser:", "</s>"], []);
        string[] pieces = ["Hello", " wor", "ld<", "|en", "|>", "\n", "\nUs", "age: </", "p>", "."];
        matcher.Append("\n\nUse");
        matcher.Append("ful");
        long before = GC.GetAllocatedBytesForCurrentThread();
        int released = 0;
        for (int i = 0; i < 1000; i++)
        {
            released += matcher.Append(pieces[i % pieces.Length]).Length;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(100 * pieces.Sum(p => p.Length), released);
    }

    [Fact]
    public void IsStopId_Set_ContainsExactlyThose()
    {
        StopMatcher matcher = new([], [100257, 100265, 100257]);

        Assert.True(matcher.IsStopId(100257));
        Assert.True(matcher.IsStopId(100265));
        Assert.False(matcher.IsStopId(100258));
    }

    [Fact]
    public void Constructor_EmptyStop_Throws()
    {
        Assert.Throws<ArgumentException>(() => new StopMatcher(["a", ""], []));
        Assert.Throws<ArgumentException>(() => new StopMatcher([null!], []));
    }

    private static (string Released, string? Match) Definition(string text, string[] stops, bool include)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string? match = stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length);
            if (match is not null)
            {
                return (include ? text[..end] : text[..(end - match.Length)], match);
            }
        }

        int held = Enumerable.Range(0, text.Length + 1).Last(
            n => n == 0 || stops.Any(s => s.Length > n && s.StartsWith(text[^n..], StringComparison.Ordinal)));
        return (text[..^held], null);
    }
}
