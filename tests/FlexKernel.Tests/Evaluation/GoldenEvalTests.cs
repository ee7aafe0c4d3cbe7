using FlexKernel.Kernels;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class GoldenEvalTests
{
    [Fact]
    public void Harness_EveryLine_EqualsTheReference()
    {
        VerificationResult result = Run(TestData.Fixture("eval"), TestData.Fixture(""));

        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
        Assert.Equal(1654, result.Checks);
        Assert.Empty(result.Messages);
    }

    [Fact]
    public void Harness_WithoutTokenizer_SaysWhatIsLeftOut()
    {
        VerificationResult result = Run(TestData.Fixture("eval"), null);

        Assert.Equal(VerificationStatus.Passed, result.Status);
        Assert.Contains("encode-pair.jsonl", Assert.Single(result.Messages), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exact-match.jsonl", "\"exact_match\":1.0", "\"exact_match\":0.0")]
    [InlineData("extract.jsonl", "\"extracted\":\"1,234\"", "\"extracted\":\"1234\"")]
    [InlineData("multiple-choice.jsonl", "\"pred_bytes\":0", "\"pred_bytes\":1")]
    [InlineData("f1.jsonl", "0.5714285714285715", "0.5714285824285715")]
    [InlineData("perplexity.jsonl", "\"bits_per_byte\":2.5420441", "\"bits_per_byte\":2.5420440")]
    [InlineData("rolling-windows.jsonl", "[[100,101,102,103],[104]]", "[[100,101,102,103],[105]]")]
    [InlineData("encode-pair.jsonl", "[1178]", "[1179]")]
    public void Harness_ChangedValue_Fails(string file, string value, string other)
    {
        using TemporaryDirectory copy = new();
        string text = File.ReadAllText(TestData.Fixture($"eval/{file}"));
        int at = text.IndexOf(value, StringComparison.Ordinal);
        Assert.True(at >= 0);
        File.WriteAllText(copy[file], string.Concat(text.AsSpan(0, at), other, text.AsSpan(at + value.Length)));

        Assert.Equal(VerificationStatus.Failed, Run(copy.Path, TestData.Fixture("")).Status);
    }

    private static VerificationResult Run(string directory, string? data) =>
        Assert.Single(VerificationCase.Find(directory)).Run(new VerificationOptions(KernelPaths.Default, 1, data));
}
