using System.Reflection;
using System.Text;
using PublicApiGenerator;
using Xunit;

namespace FlexKernel.Tests.Api;

/// <summary>The public surface of every library is the approved one, so that no change of it goes unnoticed.</summary>
public sealed class PublicSurfaceTests
{
    private const string ApproveVariable = "FLEXKERNEL_APPROVE";

    private static readonly ApiGeneratorOptions Options = new() { IncludeAssemblyAttributes = false };

    public static TheoryData<string> Libraries =>
        [.. Directory.EnumerateFiles(TestData.Repository("src"), "*.csproj", SearchOption.AllDirectories).Select(file => Path.GetFileNameWithoutExtension(file)).Order()];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void PublicSurface_EveryLibrary_IsTheApprovedOne(string library)
    {
        string file = TestData.Repository($"tests/Api/{library}.txt");
        string actual = Assembly.Load(library).GeneratePublicApi(Options).ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable(ApproveVariable) == "1")
        {
            File.WriteAllText(file, actual);
        }

        string approved = File.Exists(file) ? File.ReadAllText(file) : "";
        Assert.True(
            approved == actual,
            $"The public surface of {library} is not that of tests/Api/{library}.txt:\n\n{Difference(approved, actual)}\n"
            + $"If this is meant, approve it and commit the file: {ApproveVariable}=1 dotnet test tests/FlexKernel.Tests -c Release --filter PublicSurfaceTests");
    }

    [Fact]
    public void ApprovedSurfaces_Each_HasALibrary() =>
        Assert.Equal(
            Libraries.Select(row => row.Data).Order(),
            Directory.EnumerateFiles(TestData.Repository("tests/Api"), "*.txt").Select(file => Path.GetFileNameWithoutExtension(file)).Order());

    [Fact]
    public void Difference_ChangedMember_IsShownBothWaysUnderItsType() =>
        Assert.Equal(
            "  class B\n-     void F();\n+     void F(int n);\n",
            Difference("class A\n{\n    void F();\n}\nclass B\n{\n    void F();\n}", "class A\n{\n    void F();\n}\nclass B\n{\n    void F(int n);\n}"));

    // By the longest common subsequence of lines.
    private static string Difference(string approved, string actual)
    {
        string[] a = approved.Split('\n'), b = actual.Split('\n');
        int[,] common = new int[a.Length + 1, b.Length + 1];
        for (int i = a.Length - 1; i >= 0; i--)
        {
            for (int j = b.Length - 1; j >= 0; j--)
            {
                common[i, j] = a[i] == b[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        StringBuilder text = new();
        string? type = null;
        for (int i = 0, j = 0; i < a.Length || j < b.Length;)
        {
            if (i < a.Length && j < b.Length && a[i] == b[j])
            {
                type = i > 0 && a[i].Trim() == "{" ? a[i - 1] : type;
                (i, j) = (i + 1, j + 1);
                continue;
            }

            if (type is not null)
            {
                text.Append($"  {type}\n");
                type = null;
            }

            bool isGone = j == b.Length || (i < a.Length && common[i + 1, j] >= common[i, j + 1]);
            text.Append(isGone ? $"- {a[i++]}\n" : $"+ {b[j++]}\n");
        }

        return text.ToString();
    }
}
