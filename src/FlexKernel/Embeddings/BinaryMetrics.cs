namespace FlexKernel.Embeddings;

/// <summary>Metrics of scores that should be higher for positives than for negatives, as scikit-learn defines them.</summary>
public static class BinaryMetrics
{
    /// <summary>Σ (recall − previous recall) · precision over falling thresholds; equal scores pass a threshold together.</summary>
    /// <param name="isPositive">Whether each item is positive; at least one is.</param>
    /// <param name="scores">The score of each item.</param>
    /// <exception cref="ArgumentException">The lengths differ, or no item is positive.</exception>
    public static double AveragePrecision(ReadOnlySpan<bool> isPositive, ReadOnlySpan<double> scores)
    {
        (int Positives, int Items)[] groups = ByFallingScore(isPositive, scores);
        int positives = groups.Sum(group => group.Positives), seen = 0, found = 0;
        if (positives == 0)
        {
            throw new ArgumentException("No item is positive: the recall would be 0 / 0.", nameof(isPositive));
        }

        double sum = 0;
        foreach ((int positivesHere, int itemsHere) in groups)
        {
            found += positivesHere;
            seen += itemsHere;
            sum += (double)positivesHere / positives * found / seen;
        }

        return sum;
    }

    /// <summary>The chance that a positive scores above a negative; ties count half.</summary>
    /// <param name="isPositive">Whether each item is positive; at least one is, and one is not.</param>
    /// <param name="scores">The score of each item.</param>
    /// <exception cref="ArgumentException">The lengths differ, or all items are of one kind.</exception>
    public static double RocAuc(ReadOnlySpan<bool> isPositive, ReadOnlySpan<double> scores)
    {
        (int Positives, int Items)[] groups = ByFallingScore(isPositive, scores);
        long positives = groups.Sum(group => (long)group.Positives), negatives = isPositive.Length - positives;
        if (positives == 0 || negatives == 0)
        {
            throw new ArgumentException(
                $"There are {positives} positives and {negatives} negatives, expected at least one of each.", nameof(isPositive));
        }

        double won = 0;
        long above = 0;
        foreach ((int positivesHere, int itemsHere) in groups)
        {
            won += (itemsHere - positivesHere) * (above + positivesHere / 2.0);
            above += positivesHere;
        }

        return won / ((double)positives * negatives);
    }

    private static (int Positives, int Items)[] ByFallingScore(ReadOnlySpan<bool> isPositive, ReadOnlySpan<double> scores)
    {
        Lengths.RequireEqual(isPositive.Length, scores.Length, nameof(scores));
        bool[] positive = isPositive.ToArray();
        return [.. scores.ToArray().Zip(positive)
            .GroupBy(item => item.First)
            .OrderByDescending(group => group.Key)
            .Select(group => (group.Count(item => item.Second), group.Count()))];
    }
}
