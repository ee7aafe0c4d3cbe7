using FlexKernel.Kernels;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Verification;

public sealed class SamplingCaseTests
{
    private static readonly VerificationOptions Options = new(KernelPaths.Default, Threads: 1);

    [Fact]
    public void Reference_StepsPipelinesGreedyAndDraws_Pass()
    {
        VerificationCase found = Assert.Single(VerificationCase.Find(TestData.Fixture("sampling")));

        VerificationResult result = found.Run(Options, TestContext.Current.CancellationToken);

        Assert.Equal("sampling", found.Kind);
        GoldenCheck.Passes(result);
        Assert.True(result.Checks > 238 * 5);
    }

    [Theory]
    [InlineData("cases.jsonl", "\"top_k\":", "\"min_p\":")]
    [InlineData("cases.jsonl", "\"kept\":5", "\"kept\":4")]
    [InlineData("cases.jsonl", "{\"id\":\"s000\"", "{\"id\":\"s000\",\"id\":\"s000\"")]
    [InlineData("greedy.jsonl", "\"token\":10", "\"token\":9")]
    [InlineData("chi-square.jsonl", "\"temperature\":1.0,\"draws\"", "\"temperature\":1.05,\"draws\"")]
    public void Reference_Changed_Fails(string file, string original, string changed)
    {
        using TemporaryDirectory copy = new();
        copy.CopyFrom(TestData.Fixture("sampling"));
        string text = File.ReadAllText(copy[file]);
        Assert.Contains(original, text, StringComparison.Ordinal);
        File.WriteAllText(copy[file], text.Replace(original, changed, StringComparison.Ordinal));

        VerificationResult result = Assert.Single(VerificationCase.Find(copy.Path)).Run(Options, TestContext.Current.CancellationToken);

        Assert.Equal(VerificationStatus.Failed, result.Status);
    }

    [Theory]
    [InlineData("greedy.jsonl")]
    [InlineData("chi-square.jsonl")]
    public void Reference_OneFileAlone_IsACase(string file)
    {
        using TemporaryDirectory copy = new();
        File.Copy(TestData.Fixture($"sampling/{file}"), copy[file]);

        VerificationResult result = Assert.Single(VerificationCase.Find(copy.Path)).Run(Options, TestContext.Current.CancellationToken);

        Assert.Equal(VerificationStatus.Passed, result.Status);
    }
}
