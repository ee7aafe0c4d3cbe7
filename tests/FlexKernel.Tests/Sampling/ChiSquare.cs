namespace FlexKernel.Tests.Sampling;

/// <summary>Pearson's test of counts against probabilities, at a significance of one in a thousand.</summary>
internal static class ChiSquare
{
    private const double Quantile999 = 3.0902;
    private const double LeastExpected = 5;

    /// <summary>The statistic and the value it exceeds once in a thousand times if the counts follow the probabilities.</summary>
    /// <remarks>Cells that expect fewer than five counts are taken together. A count where nothing can be makes the statistic infinite.</remarks>
    public static (double Statistic, double Critical) Of(IReadOnlyList<int> counts, IReadOnlyList<double> probabilities)
    {
        double total = counts.Sum(), statistic = 0, rareCount = 0, rareExpected = 0;
        int cells = 0;
        for (int i = 0; i < counts.Count; i++)
        {
            double expected = total * probabilities[i];
            if (expected < LeastExpected)
            {
                statistic += probabilities[i] == 0 && counts[i] > 0 ? double.PositiveInfinity : 0;
                rareCount += counts[i];
                rareExpected += expected;
            }
            else
            {
                statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
                cells++;
            }
        }

        if (rareExpected >= LeastExpected)
        {
            statistic += (rareCount - rareExpected) * (rareCount - rareExpected) / rareExpected;
            cells++;
        }

        // Wilson and Hilferty's approximation of the quantile.
        double freedom = cells - 1, spread = 2 / (9 * freedom);
        return (statistic, freedom * Math.Pow(1 - spread + Quantile999 * Math.Sqrt(spread), 3));
    }
}
