using FlexKernel.Embeddings;
using Xunit;

namespace FlexKernel.Tests.Embeddings;

/// <summary>What the reference cases leave out: errors and empty input.</summary>
public sealed class MetricsTests
{
    [Fact]
    public void Rank_EqualDocuments_KeepTheirOrder()
    {
        SearchHit[] hits = SearchRanking.Rank([1, 2], [[0, 1], [3, 6], [1, 2], [-1, 0], [2, 4]]);

        Assert.Equal([1, 2, 4, 0, 3], hits.Select(hit => hit.Document));
        Assert.Equal(1, hits[0].Score, 1e-15);
    }

    [Fact]
    public void RetrievalAt_NothingRelevant_IsZero() =>
        Assert.Equal(new RetrievalScores(0, 0, 0, 0, 0, 0), RetrievalMetrics.At([0, 1], new Dictionary<int, double> { [1] = 0 }, 2));

    [Fact]
    public void RetrievalAt_FewerDocumentsThanK_DividesThePrecisionByK() =>
        Assert.Equal(0.1, RetrievalMetrics.At([0, 1], new Dictionary<int, double> { [1] = 2 }, 10).Precision, 1e-15);

    [Fact]
    public void Correlation_OfAConstant_IsNaN() => Assert.True(double.IsNaN(Correlation.Spearman([1, 1, 1], [1, 2, 3])));

    [Fact]
    public void AdjustedRand_ManyItems_DoesNotOverflow()
    {
        int[] labels = [.. Enumerable.Range(0, 200_000).Select(i => i % 2)];
        int[] shifted = [.. labels.Select((label, i) => i < 100_000 ? label : 1 - label)];

        Assert.Equal(1, ClusteringMetrics.Of(labels, labels).AdjustedRand);
        Assert.Equal(0, ClusteringMetrics.Of(labels, shifted).AdjustedRand, 1e-4);
    }

    [Fact]
    public void WrongArguments_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => Similarity.Cosine([1], [1, 2]));
        Assert.Throws<ArgumentException>(() => SearchRanking.Rank([1], [[1], [1, 2]]));
        Assert.Throws<ArgumentException>(() => ClusteringMetrics.Of([], []));
        Assert.Throws<ArgumentException>(() => ClusteringMetrics.Of([1], [1, 2]));
        Assert.Throws<ArgumentException>(() => BinaryMetrics.AveragePrecision([false], [1]));
        Assert.Throws<ArgumentException>(() => BinaryMetrics.RocAuc([true], [1]));
        Assert.Throws<ArgumentException>(() => Correlation.Pearson([1], [1]));
        Assert.Throws<ArgumentException>(() => EmbeddingVector.Mean([]));
        Assert.Throws<ArgumentException>(() => EmbeddingVector.Mean([[1], [1, 2]]));
        Assert.Throws<ArgumentOutOfRangeException>(() => EmbeddingVector.Shorten([1], 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => RetrievalMetrics.At([0], new Dictionary<int, double> { [0] = 1 }, 0));
    }
}
