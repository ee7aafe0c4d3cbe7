using System.Text.RegularExpressions;
using Xunit;

namespace FlexKernel.Tests;

public sealed partial class ClaimsTests
{
    [Fact]
    public void Claims_EveryRow_NamesATestThatExists()
    {
        HashSet<string> tests = [.. Directory.EnumerateDirectories(TestData.Repository("tests"), "*.Tests").SelectMany(TestsIn)];
        string[] named = [.. TestName().Matches(File.ReadAllText(TestData.Repository("docs/claims.md"))).Select(m => m.Groups[1].Value)];

        Assert.True(named.Length > 10);
        Assert.All(named, name => Assert.Contains(name, tests));
    }

    // The sources, since one test assembly does not load the other.
    private static IEnumerable<string> TestsIn(string project) =>
        Directory.EnumerateFiles(project, "*Tests.cs", SearchOption.AllDirectories).SelectMany(file =>
            MethodName().Matches(File.ReadAllText(file)).Select(m => $"{Path.GetFileNameWithoutExtension(file)}.{m.Groups[1].Value}"));

    [GeneratedRegex(@"^\|.*\| `(\w+\.\w+)` \|$", RegexOptions.Multiline)]
    private static partial Regex TestName();

    [GeneratedRegex(@"public (?:async Task|void) (\w+)\(")]
    private static partial Regex MethodName();
}
