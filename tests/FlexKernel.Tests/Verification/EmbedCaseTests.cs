using FlexKernel.Kernels;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Verification;

public sealed class EmbedCaseTests
{
    private static readonly VerificationOptions Options = new(KernelPaths.Default, Threads: 1);

    [Fact]
    public void Reference_SimilaritiesMetricsAndPooling_Pass()
    {
        VerificationCase found = Assert.Single(VerificationCase.Find(TestData.Fixture("embed")));

        VerificationResult result = found.Run(Options, TestContext.Current.CancellationToken);

        Assert.Equal("embed", found.Kind);
        GoldenCheck.Passes(result);
        Assert.True(result.Checks > 700);
    }

    [Theory]
    [InlineData("\"cosine\":-0.19836", "\"cosine\":-0.19837")]
    [InlineData("\"order\":[5,29,", "\"order\":[29,5,")]
    [InlineData("\"ndcg@3\":0.38009376671593426", "\"ndcg@3\":0.38009376771593426")]
    [InlineData("\"mean\":{\"ndcg@1\":0.5555", "\"mean\":{\"ndcg@1\":0.5556")]
    [InlineData("\"ari\":1.0", "\"ari\":0.9")]
    [InlineData("\"average_precision\":0.5425", "\"average_precision\":0.5426")]
    [InlineData("\"roc_auc\":0.5656", "\"roc_auc\":0.5657")]
    [InlineData("\"spearman\":-0.0687", "\"spearman\":-0.0688")]
    [InlineData("\"truncated_normalised\":[", "\"truncated_normalised\":[0.5,")]
    [InlineData("\"mask\":[1,1,1,1,1,1,0]", "\"mask\":[1, 1, 1, 1, 1, 1, 1]")]
    [InlineData("\"kind\":\"pooling\"", "\"kind\":\"pool\"")]
    [InlineData("\"kind\":\"pooling\"", "\"kind\":\"pooling\",\"kind\":\"pooling\"")]
    public void Reference_Changed_Fails(string original, string changed)
    {
        using TemporaryDirectory copy = new();
        string text = File.ReadAllText(TestData.Fixture("embed/cases.jsonl"));
        Assert.Contains(original, text, StringComparison.Ordinal);
        File.WriteAllText(copy["cases.jsonl"], text.Replace(original, changed, StringComparison.Ordinal));

        VerificationResult result = Assert.Single(VerificationCase.Find(copy.Path)).Run(Options, TestContext.Current.CancellationToken);

        Assert.Equal(VerificationStatus.Failed, result.Status);
    }

    [Theory]
    [InlineData("{\"id\":\"x\",\"kind\":\"json_schema\"}")]
    [InlineData("{\"id\":\"x\",\"kind\":3}")]
    [InlineData("{\"id\":\"x\"}")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("")]
    public void Find_CasesOfAnotherKind_AreNotTaken(string firstLine)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory["cases.jsonl"], firstLine);

        Assert.Empty(VerificationCase.Find(directory.Path));
    }
}
