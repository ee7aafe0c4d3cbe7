using System.Text.Json;
using System.Text.RegularExpressions;
using FlexKernel.Evaluation.Python;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class PythonRegexTests
{
    [Fact]
    public void FindAllAndRemove_PatternsAndTexts_GiveWhatCPythonGives()
    {
        int checks = 0;
        foreach (string line in File.ReadLines(TestData.Fixture("python/regex.jsonl")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            string pattern = document.RootElement.GetProperty("pattern").GetString()!;
            PythonRegex regex = new(pattern);
            foreach (JsonElement result in document.RootElement.GetProperty("results").EnumerateArray())
            {
                string text = result[0].GetString()!;
                string[][] expected = [.. result[1].EnumerateArray().Select(match => match.EnumerateArray().Select(g => g.GetString()!).ToArray())];

                Assert.True(
                    Show(expected) == Show(regex.FindAll(text)),
                    $"{pattern} in \"{text}\": {Show(regex.FindAll(text))}, expected {Show(expected)}");
                Assert.Equal(result[2].GetString(), regex.Remove(text));
                checks++;
            }
        }

        Assert.True(checks > 1400);

        static string Show(IEnumerable<string[]> matches) => string.Join(';', matches.Select(groups => string.Join('|', groups)));
    }

    [Theory]
    [InlineData("(a", "missing )")]
    [InlineData("a)", "unbalanced")]
    [InlineData("*a", "nothing to repeat")]
    [InlineData("a**", "multiple repeat")]
    [InlineData("a{2,1}", "min repeat")]
    [InlineData("[a", "unterminated")]
    [InlineData("[b-a]", "bad character range")]
    [InlineData(@"\q", "bad escape")]
    [InlineData(@"\x6", "incomplete escape")]
    [InlineData(@"(a)\2", "unknown group")]
    [InlineData("a(?i)", "global flags")]
    [InlineData("(?P<n>a)(?P<n>b)", "redefinition")]
    [InlineData(@"a\", "unexpected end")]
    public void Constructor_Malformed_SaysWhat(string pattern, string problem) =>
        Assert.Contains(problem, Assert.Throws<ArgumentException>(() => new PythonRegex(pattern)).Message, StringComparison.Ordinal);

    [Fact]
    public void FindAll_CatastrophicPattern_IsStopped()
    {
        PythonRegex regex = new("(a|aa)+$", TimeSpan.FromMilliseconds(20));

        Assert.Throws<RegexMatchTimeoutException>(() => regex.FindAll(new string('a', 200) + "b"));
    }
}
