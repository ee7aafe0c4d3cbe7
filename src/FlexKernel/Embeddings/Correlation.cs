namespace FlexKernel.Embeddings;

/// <summary>How well two lists of numbers go together, from −1 to 1; NaN when one of them does not vary.</summary>
public static class Correlation
{
    /// <summary>Pearson's correlation of the values themselves.</summary>
    /// <param name="x">Values; at least two.</param>
    /// <param name="y">As many values.</param>
    /// <exception cref="ArgumentException">The lengths differ, or there are fewer than two values.</exception>
    public static double Pearson(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        Lengths.RequireEqual(x.Length, y.Length, nameof(y));
        if (x.Length < 2)
        {
            throw new ArgumentException($"There are {x.Length} values, expected at least 2.", nameof(x));
        }

        double meanX = Mean(x), meanY = Mean(y), both = 0, squaresX = 0, squaresY = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double dx = x[i] - meanX, dy = y[i] - meanY;
            both += dx * dy;
            squaresX += dx * dx;
            squaresY += dy * dy;
        }

        return both / (Math.Sqrt(squaresX) * Math.Sqrt(squaresY));
    }

    /// <summary>Spearman's correlation: Pearson's of the ranks, where equal values share the mean of their ranks.</summary>
    /// <inheritdoc cref="Pearson"/>
    public static double Spearman(ReadOnlySpan<double> x, ReadOnlySpan<double> y) => Pearson(Ranks(x), Ranks(y));

    private static double Mean(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
        {
            sum += value;
        }

        return sum / values.Length;
    }

    private static double[] Ranks(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray(), ranks = new double[values.Length];
        int[] order = [.. Enumerable.Range(0, sorted.Length)];
        Array.Sort(sorted, order);
        for (int begin = 0, end; begin < sorted.Length; begin = end)
        {
            end = begin + 1;
            while (end < sorted.Length && sorted[end] == sorted[begin])
            {
                end++;
            }

            for (int i = begin; i < end; i++)
            {
                ranks[order[i]] = (begin + end - 1) / 2.0;
            }
        }

        return ranks;
    }
}
