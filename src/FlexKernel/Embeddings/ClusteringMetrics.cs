namespace FlexKernel.Embeddings;

/// <summary>How well clusters agree with classes.</summary>
/// <param name="Homogeneity">1 when each cluster has members of one class only.</param>
/// <param name="Completeness">1 when all members of a class are in one cluster.</param>
/// <param name="NormalizedMutualInformation">Mutual information divided by the mean of both entropies.</param>
/// <param name="AdjustedRand">Agreement of pairs, corrected for chance: 1 for equal partitions, about 0 for random ones.</param>
public sealed record ClusteringScores(double Homogeneity, double Completeness, double NormalizedMutualInformation, double AdjustedRand)
{
    /// <summary>The harmonic mean of <see cref="Homogeneity"/> and <see cref="Completeness"/>; 0 when both are.</summary>
    /// <param name="beta">The weight of completeness; above 0.</param>
    public double VMeasure(double beta = 1)
    {
        double weighted = beta * Homogeneity + Completeness;
        return weighted == 0 ? 0 : (1 + beta) * Homogeneity * Completeness / weighted;
    }
}

/// <summary>Metrics of clusterings against known classes, as scikit-learn defines them.</summary>
public static class ClusteringMetrics
{
    /// <summary>Scores a clustering.</summary>
    /// <param name="labels">The class of each item; any numbers.</param>
    /// <param name="clusters">The cluster of each item; any numbers.</param>
    /// <exception cref="ArgumentException">There is no item, or the lengths differ.</exception>
    public static ClusteringScores Of(ReadOnlySpan<int> labels, ReadOnlySpan<int> clusters)
    {
        Lengths.RequireEqual(labels.Length, clusters.Length, nameof(clusters));
        if (labels.IsEmpty)
        {
            throw new ArgumentException("There is no item to score.", nameof(labels));
        }

        Dictionary<int, long> ofLabel = [], ofCluster = [];
        Dictionary<(int Label, int Cluster), long> ofBoth = [];
        for (int i = 0; i < labels.Length; i++)
        {
            Count(ofLabel, labels[i]);
            Count(ofCluster, clusters[i]);
            Count(ofBoth, (labels[i], clusters[i]));
        }

        double labelEntropy = Entropy(ofLabel.Values, labels.Length), clusterEntropy = Entropy(ofCluster.Values, labels.Length);
        double shared = MutualInformation(ofLabel, ofCluster, ofBoth, labels.Length);
        double normalized = labelEntropy + clusterEntropy == 0 ? 1 : shared / ((labelEntropy + clusterEntropy) / 2);
        return new ClusteringScores(
            labelEntropy == 0 ? 1 : shared / labelEntropy,
            clusterEntropy == 0 ? 1 : shared / clusterEntropy,
            normalized,
            AdjustedRand(ofLabel.Values, ofCluster.Values, ofBoth.Values, labels.Length));
    }

    private static void Count<T>(Dictionary<T, long> counts, T key)
        where T : notnull => counts[key] = counts.GetValueOrDefault(key) + 1;

    private static double Entropy(IEnumerable<long> counts, double total) =>
        -counts.Sum(count => count == total ? 0 : count / total * Math.Log(count / total));

    private static double MutualInformation(
        Dictionary<int, long> ofLabel, Dictionary<int, long> ofCluster, Dictionary<(int Label, int Cluster), long> ofBoth, double total)
    {
        double sum = ofBoth.Sum(cell =>
            cell.Value / total * Math.Log(cell.Value * total / ((double)ofLabel[cell.Key.Label] * ofCluster[cell.Key.Cluster])));

        // Rounding can leave independent partitions a little below 0.
        return Math.Max(sum, 0);
    }

    // Ordered pairs of items: together in both partitions, in one of them, in none.
    private static double AdjustedRand(IEnumerable<long> ofLabel, IEnumerable<long> ofCluster, IEnumerable<long> ofBoth, long total)
    {
        Int128 squares = Squares(ofBoth), both = squares - total;
        Int128 labelOnly = Squares(ofLabel) - squares, clusterOnly = Squares(ofCluster) - squares;
        Int128 neither = (Int128)total * total - total - both - labelOnly - clusterOnly;
        if (labelOnly == 0 && clusterOnly == 0)
        {
            return 1;
        }

        double agreement = 2 * (double)(both * neither - labelOnly * clusterOnly);
        return agreement / (double)((both + labelOnly) * (labelOnly + neither) + (both + clusterOnly) * (clusterOnly + neither));
    }

    private static Int128 Squares(IEnumerable<long> counts) => counts.Aggregate((Int128)0, (sum, count) => sum + (Int128)count * count);
}
