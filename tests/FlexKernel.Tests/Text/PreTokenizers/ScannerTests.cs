using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using FlexKernel.Text;
using FlexKernel.Text.PreTokenizers;
using Xunit;

namespace FlexKernel.Tests.Text.PreTokenizers;

public sealed class ScannerTests(ITestOutputHelper output)
{
    // One or more of every class the patterns tell apart, in and above the basic plane; without U+017F, which .NET does not fold to s.
    private static readonly string[] CodePoints =
    [
        "'", "'", "'", "s", "S", "t", "T", "m", "D", "r", "R", "e", "E", "v", "l", "L", "a", "Z",
        "é", "ж", "中", "ǅ", "ʰ", "\U0001D400", "\U00020BB7", "1", "7", "٣", "²", "Ⅷ", "\U0001D7D8",
        " ", " ", " ", "\t", "\r", "\n", "\u0085", "\u00A0", "\u1680", "\u2028", "\u2029", "\u202F", "\u3000",
        "\u200B", "\uFEFF", "\u001C", "\u0000", ".", "!", "(", "_", "€", "\u0301", "\u0E31", "😀", "\u200D", "\uFFFD", "\uD83D", "\uDE00",
    ];

    [Theory]
    [InlineData("it's", "it|'s")]
    [InlineData("IT'S we'LL 'sun'", "IT|'S| we|'LL| '|sun|'")]
    [InlineData("x'sun", "x|'s|un")]
    [InlineData("can'\u017Ft", "can|'\u017F|t")]
    [InlineData("''s", "''|s")]
    [InlineData("1234567 12", "123|456|7| |12")]
    [InlineData("\U0001D7D8\U0001D7D9\U0001D7DA\U0001D7DB", "\U0001D7D8\U0001D7D9\U0001D7DA|\U0001D7DB")]
    [InlineData("a  b", "a| | b")]
    [InlineData("a \n \n  b", "a| \n \n| | b")]
    [InlineData("x:\r\n\r\n  y", "x|:\r\n\r\n| | y")]
    [InlineData("tail   ", "tail|   ")]
    [InlineData("\tif", "\tif")]
    [InlineData("\u00A0é \u00A0.", "\u00A0é| |\u00A0|.")]
    [InlineData("(foo) ((bar", "(foo|)| ((|bar")]
    [InlineData("𠮷野 𝐀b", "𠮷野| 𝐀b")]
    [InlineData("e\u0301x", "e|\u0301x")]
    public void Cl100k_OfText_GivesTheWords(string text, string expected) => Assert.Equal(expected, Split(new Cl100kScanner(), text));

    [Theory]
    [InlineData("it's IT'S", "it|'s| IT|'|S")]
    [InlineData("1234567 12", "1234567| 12")]
    [InlineData("a  b", "a| | b")]
    [InlineData("x:\r\n\r\n  y", "x|:|\r\n\r\n | y")]
    [InlineData("\tif (x", "\t|if| (|x")]
    [InlineData("𠮷野 𝟘9", "𠮷野| 𝟘9")]
    public void Gpt2_OfText_GivesTheWords(string text, string expected) => Assert.Equal(expected, Split(new Gpt2Scanner(), text));

    [Fact]
    public void Cl100k_OfRandomText_CutsWhereThePatternDoes() => CompareWithRegex(new Cl100kScanner(), Cl100kScanner.Pattern);

    [Fact]
    public void Gpt2_OfRandomText_CutsWhereThePatternDoes() => CompareWithRegex(new Gpt2Scanner(), Gpt2Scanner.Pattern);

    [Fact]
    public void At_OfEveryCodePoint_AgreesWithTheRegexClasses()
    {
        Regex letter = new(@"\A\p{L}\z", RegexOptions.CultureInvariant);
        Regex number = new(@"\A\p{N}\z", RegexOptions.CultureInvariant);
        Regex space = new(@"\A\s\z", RegexOptions.CultureInvariant);
        for (int value = 0; value <= char.MaxValue; value++)
        {
            string text = ((char)value).ToString();
            CharClass expected = text is "\r" or "\n" ? CharClass.Newline
                : space.IsMatch(text) ? CharClass.Space
                : letter.IsMatch(text) ? CharClass.Letter
                : number.IsMatch(text) ? CharClass.Number
                : CharClass.Other;
            Assert.True(CharClasses.At(text, 0, out int length) == expected && length == 1, $"U+{value:X4}");
        }
    }

    [Theory]
    [InlineData("[A-Z][a-z]+", true, "xxFooBar-Baz", "xx|Foo|Bar|-|Baz")]
    [InlineData("[A-Z][a-z]+", false, "xxFooBar-Baz", "Foo|Bar|Baz")]
    [InlineData("(?=[A-Z])", true, "xxFooBar", "xx|Foo|Bar")]
    [InlineData("[A-Z]*", false, "xFO", "FO")]
    [InlineData(".", true, "a😀b", "a|😀|b")]
    public void Regex_OfText_GivesTheWords(string pattern, bool keepGaps, string text, string expected) =>
        Assert.Equal(expected, Split(new RegexScanner("file", pattern, keepGaps, TimeSpan.FromSeconds(5)), text));

    [Fact]
    public void Regex_OfARunawayPattern_StopsWithATypedError()
    {
        RegexScanner scanner = new("file.json", "(a+)+$", true, TimeSpan.FromMilliseconds(50));

        TokenizerException error = Assert.Throws<TokenizerException>(() => scanner.PreTokenize(new string('a', 40) + "b"));

        Assert.Equal("file.json", error.File);
        Assert.Contains("(a+)+$", error.Message, StringComparison.Ordinal);
    }

    private static string Split(WordScanner scanner, string text) =>
        string.Join('|', scanner.PreTokenize(text).Select(word => text.Substring(word.Offset, word.Length)));

    // .NET's Regex sees UTF-16 units, so each code point is first replaced by one of its class in the basic plane.
    private void CompareWithRegex(WordScanner scanner, string pattern)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        Regex regex = new(pattern, RegexOptions.CultureInvariant);
        StringBuilder text = new();
        for (int round = 0; round < 20_000; round++)
        {
            text.Clear();
            int length = random.Next(1, 24);
            for (int i = 0; i < length; i++)
            {
                text.Append(CodePoints[random.Next(CodePoints.Length)]);
            }

            List<int> places = [];
            string mapped = Map(text.ToString(), places);
            (int, int)[] expected = [.. regex.Matches(mapped).Select(m => (places[m.Index], places[m.Index + m.Length] - places[m.Index]))];
            Assert.Equal(expected, scanner.PreTokenize(text.ToString()));
        }
    }

    private static string Map(string text, List<int> places)
    {
        StringBuilder mapped = new();
        for (int i = 0; i < text.Length;)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            places.Add(i);
            mapped.Append(!pair ? (char.IsSurrogate(text[i]) ? '§' : text[i]) : CharUnicodeInfo.GetUnicodeCategory(text, i) switch
            {
                <= UnicodeCategory.OtherLetter => 'ж',
                UnicodeCategory.DecimalDigitNumber => '٣',
                _ => '§',
            });
            i += pair ? 2 : 1;
        }

        places.Add(text.Length);
        return mapped.ToString();
    }
}
