namespace FlexKernel.Embeddings;

/// <summary>How good the first k documents of a ranking are.</summary>
/// <param name="Ndcg">Discounted gain as a share of the ideal one: gain = grade, discount log2(rank + 1).</param>
/// <param name="Recall">The share of the relevant documents that are among the first k.</param>
/// <param name="Precision">The share of the first k that are relevant; divided by k even if there are fewer documents.</param>
/// <param name="ReciprocalRank">1 / rank of the first relevant document; 0 when none is among the first k.</param>
/// <param name="AveragePrecision">The sum of the precisions at the relevant documents among the first k, divided by the number of relevant
/// documents.</param>
/// <param name="Hit">1 when a relevant document is among the first k, else 0.</param>
public sealed record RetrievalScores(
    double Ndcg, double Recall, double Precision, double ReciprocalRank, double AveragePrecision, double Hit);

/// <summary>Metrics of rankings with graded relevance, as MTEB and trec_eval define them.</summary>
public static class RetrievalMetrics
{
    /// <summary>Scores the first k documents of a ranking.</summary>
    /// <param name="ranking">Document numbers, best first.</param>
    /// <param name="grades">The grades of the relevant documents, above 0; documents without a grade are not relevant. Without a relevant
    /// document every metric is 0.</param>
    /// <param name="k">How many documents are looked at; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="k"/> is not positive.</exception>
    public static RetrievalScores At(ReadOnlySpan<int> ranking, IReadOnlyDictionary<int, double> grades, int k)
    {
        ArgumentNullException.ThrowIfNull(grades);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        double[] ideal = [.. grades.Values.Where(grade => grade > 0).OrderDescending()];
        if (ideal.Length == 0)
        {
            return new RetrievalScores(0, 0, 0, 0, 0, 0);
        }

        double gain = 0, precisions = 0;
        int found = 0, first = 0, looked = Math.Min(k, ranking.Length);
        for (int i = 0; i < looked; i++)
        {
            double grade = grades.GetValueOrDefault(ranking[i]);
            if (grade > 0)
            {
                found++;
                first = first == 0 ? i + 1 : first;
                gain += grade / Discount(i);
                precisions += (double)found / (i + 1);
            }
        }

        double best = ideal.Take(k).Select((grade, i) => grade / Discount(i)).Sum();
        return new RetrievalScores(
            Ndcg: gain / best,
            Recall: (double)found / ideal.Length,
            Precision: (double)found / k,
            ReciprocalRank: first == 0 ? 0 : 1.0 / first,
            AveragePrecision: precisions / ideal.Length,
            Hit: found > 0 ? 1 : 0);
    }

    /// <summary>The mean of each metric over queries.</summary>
    /// <param name="scores">The scores of each query; at least one.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static RetrievalScores Mean(IReadOnlyList<RetrievalScores> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return scores.Count == 0
            ? throw new ArgumentException("There are no scores to take the mean of.", nameof(scores))
            : new RetrievalScores(
                scores.Average(s => s.Ndcg),
                scores.Average(s => s.Recall),
                scores.Average(s => s.Precision),
                scores.Average(s => s.ReciprocalRank),
                scores.Average(s => s.AveragePrecision),
                scores.Average(s => s.Hit));
    }

    private static double Discount(int index) => Math.Log2(index + 2);
}
