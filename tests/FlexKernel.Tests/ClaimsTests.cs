using System.Text.RegularExpressions;
using Xunit;

namespace FlexKernel.Tests;

public sealed partial class ClaimsTests
{
    [Fact]
    public void Claims_EveryRow_NamesATestThatExists()
    {
        HashSet<string> tests = [.. Directory.EnumerateDirectories(TestData.Repository("tests"), "*.Tests").SelectMany(TestsIn)];
        string claims = File.ReadAllText(TestData.Repository("docs/claims.md"));
        string[] named = [.. TestName().Matches(claims).Select(m => m.Groups[1].Value)];
        string[] scripts = [.. ScriptName().Matches(claims).Select(m => m.Groups[1].Value)];

        Assert.True(named.Length > 10);
        Assert.All(named, name => Assert.Contains(name, tests));
        Assert.NotEmpty(scripts);
        Assert.All(scripts, script => Assert.True(File.Exists(TestData.Repository(script)), script));
    }

    // The sources, since one test assembly does not load the other.
    private static IEnumerable<string> TestsIn(string project) =>
        Directory.EnumerateFiles(project, "*Tests.cs", SearchOption.AllDirectories).SelectMany(file =>
            MethodName().Matches(File.ReadAllText(file)).Select(m => $"{Path.GetFileNameWithoutExtension(file)}.{m.Groups[1].Value}"));

    [GeneratedRegex(@"^\|.*\| `(\w+\.\w+)` \|$", RegexOptions.Multiline)]
    private static partial Regex TestName();

    [GeneratedRegex(@"^\|.*\| `(tests/\S+\.sh)` \|$", RegexOptions.Multiline)]
    private static partial Regex ScriptName();

    [GeneratedRegex(@"public (?:async Task|void) (\w+)\(")]
    private static partial Regex MethodName();
}
