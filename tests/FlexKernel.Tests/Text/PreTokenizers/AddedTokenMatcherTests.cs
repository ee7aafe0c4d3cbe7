using FlexKernel.Text;
using FlexKernel.Text.PreTokenizers;
using Xunit;

namespace FlexKernel.Tests.Text.PreTokenizers;

public sealed class AddedTokenMatcherTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("xabcx", "1-4:2")] // the longest of those that begin there
    [InlineData("xabdx", "1-3:1")] // back to a shorter one
    [InlineData("bcdabc", "0-2:3;3-6:2")] // the leftmost of those that overlap
    [InlineData("ab", "0-2:1")]
    [InlineData("", "")]
    [InlineData("xyz", "")]
    public void Find_OverlappingTokens_TakesLeftmostAndLongest(string text, string expected) =>
        Assert.Equal(expected, Find([Token(1, "ab"), Token(2, "abc"), Token(3, "bc"), Token(4, "cdab")], text));

    [Fact]
    public void Find_OnRandomText_AgreesWithTrialOfEveryToken()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        for (int round = 0; round < 3000; round++)
        {
            IEnumerable<string> contents = Enumerable.Range(0, random.Next(1, 8)).Select(_ => Letters(random, 1, 5)).Distinct();
            AddedToken[] tokens = [.. contents.Select((content, id) => Token(id, content))];
            string text = Letters(random, 0, 40);
            Assert.Equal(Naive(tokens, text), Find(tokens, text));
        }
    }

    [Theory]
    [InlineData(true, false, "a  <x> \n b", "1-6:1")]
    [InlineData(false, true, "a  <x> \n b", "3-9:1")]
    [InlineData(true, true, "<x>  <x>  <x>", "0-5:1;5-10:1;10-13:1")]
    [InlineData(true, false, "\u3000<x>", "0-4:1")]
    public void Find_TokensThatStrip_TakeTheWhiteSpace(bool left, bool right, string text, string expected) =>
        Assert.Equal(expected, Find([Token(1, "<x>") with { StripsLeft = left, StripsRight = right }], text));

    // Each space is a token, and the first takes all the rest; the others are still found, as in the reference.
    [Fact]
    public void Find_WhiteSpaceTokensThatStrip_StayInOrder() =>
        Assert.Equal("1-4:1;4-4:1;4-4:1", Find([Token(1, " ") with { StripsRight = true }], "a   b"));

    [Theory]
    [InlineData("cat", "0-3:1")]
    [InlineData("a cat.", "2-5:1")]
    [InlineData("cats", "")]
    [InlineData("bobcat", "")]
    [InlineData("_cat", "")]
    [InlineData("cat\u0301", "")]
    [InlineData("\U00020BB7cat", "")]
    [InlineData("\u24B6cat", "")]
    [InlineData("😀cat😀", "2-5:1")]
    public void Find_SingleWordToken_NeedsAWordOfItsOwn(string text, string expected) =>
        Assert.Equal(expected, Find([Token(1, "cat") with { IsSingleWord = true }], text));

    [Fact]
    public void Find_NonSpecialOnly_LeavesSpecialTokensButNotWhatOverlapsThem() =>
        Assert.Equal("6-8:2", Find([Token(1, "<s>") with { IsSpecial = true }, Token(2, "s>")], "<s> <ss>", AddedTokenParsing.NonSpecial));

    [Theory]
    [InlineData(0, 9, "0-3:1;3-6:2;6-9:1")]
    [InlineData(1, 9, "3-6:2;6-9:1")]
    [InlineData(0, 8, "0-3:1;3-6:2")]
    [InlineData(0, 5, "0-3:1;3-5:3")]
    [InlineData(4, 4, "")]
    public void Find_TrustedPart_GivesTheLongestTokensWithinIt(int start, int end, string expected)
    {
        AddedToken[] tokens = [Token(1, "<a>"), Token(2, "<b>"), Token(3, "<b")];
        List<Cut> cuts = [];

        new AddedTokenMatcher(tokens, [.. tokens.Select(token => token.Content)]).Find("<a><b><a>", AddedTokenParsing.All, [new TextSpan(start, end)], [], cuts);

        Assert.Equal(expected, string.Join(';', cuts.Select(cut => $"{cut.Start}-{cut.End}:{cut.Id}")));
    }

    private static AddedToken Token(int id, string content) => new() { Id = id, Content = content };

    private static string Letters(Random random, int least, int most) =>
        string.Concat(Enumerable.Range(0, random.Next(least, most)).Select(_ => "ab"[random.Next(2)]));

    private static string Find(AddedToken[] tokens, string text, AddedTokenParsing parsing = AddedTokenParsing.All)
    {
        List<Cut> cuts = [];
        new AddedTokenMatcher(tokens, [.. tokens.Select(token => token.Content)]).Find(text, parsing, [new TextSpan(0, text.Length)], [], cuts);
        return string.Join(';', cuts.Select(cut => $"{cut.Start}-{cut.End}:{cut.Id}"));
    }

    private static string Naive(AddedToken[] tokens, string text)
    {
        List<string> cuts = [];
        for (int at = 0; at < text.Length;)
        {
            AddedToken? found = tokens.Where(token => text.AsSpan(at).StartsWith(token.Content)).MaxBy(token => token.Content.Length);
            if (found is not null)
            {
                cuts.Add($"{at}-{at + found.Content.Length}:{found.Id}");
            }

            at += found?.Content.Length ?? 1;
        }

        return string.Join(';', cuts);
    }
}
