using FlexKernel.Sampling;

namespace FlexKernel.Evaluation;

/// <summary>Confidence intervals of bits per byte: documents drawn again and again, percentiles of what comes out.</summary>
public static class Bootstrap
{
    private const double Tail = 0.025;

    /// <summary>The 95 % interval of the bits per byte of documents together.</summary>
    /// <param name="documents">A score per document.</param>
    /// <param name="seed">Same seed, same interval.</param>
    /// <param name="resamples">How often to draw as many documents as there are, with replacement.</param>
    /// <returns>The interval, or null below two documents.</returns>
    public static Interval? BitsPerByte(IReadOnlyList<TextScore> documents, long seed = 0, int resamples = 1000)
    {
        ArgumentNullException.ThrowIfNull(documents);
        return Percentiles(documents.Count, seed, resamples, drawn => Rate(documents, drawn));
    }

    /// <summary>The 95 % interval of how many bits per byte more one model needs than another for the same documents.</summary>
    /// <param name="documents">A score per document of the one.</param>
    /// <param name="others">The scores of the same documents of the other.</param>
    /// <param name="seed">Same seed, same interval.</param>
    /// <param name="resamples">How often to draw as many documents as there are, with replacement; the same for both.</param>
    /// <returns>The interval, or null below two documents.</returns>
    /// <exception cref="ArgumentException">The numbers of documents differ.</exception>
    public static Interval? BitsPerByteDifference(
        IReadOnlyList<TextScore> documents, IReadOnlyList<TextScore> others, long seed = 0, int resamples = 1000)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(others);
        return documents.Count == others.Count
            ? Percentiles(documents.Count, seed, resamples, drawn => Rate(documents, drawn) - Rate(others, drawn))
            : throw new ArgumentException($"{others.Count} scores to compare with, expected {documents.Count}.", nameof(others));
    }

    private static double Rate(IReadOnlyList<TextScore> documents, int[] drawn)
    {
        double nats = 0;
        long bytes = 0;
        foreach (int document in drawn)
        {
            nats += documents[document].Nats;
            bytes += documents[document].Bytes;
        }

        return nats / (bytes * Math.Log(2));
    }

    private static Interval? Percentiles(int count, long seed, int resamples, Func<int[], double> statistic)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 2);
        if (count < 2)
        {
            return null;
        }

        RandomStream random = new(seed, 0);
        double[] values = new double[resamples];
        int[] drawn = new int[count];
        for (int resample = 0; resample < resamples; resample++)
        {
            for (int i = 0; i < count; i++)
            {
                drawn[i] = (int)(random.At((long)resample * count + i) * count);
            }

            values[resample] = statistic(drawn);
        }

        Array.Sort(values);
        return new Interval(Quantile(values, Tail), Quantile(values, 1 - Tail));
    }

    private static double Quantile(double[] sorted, double share)
    {
        double place = share * (sorted.Length - 1);
        int below = (int)place;
        double weight = place - below;
        return weight == 0 ? sorted[below] : sorted[below] + weight * (sorted[below + 1] - sorted[below]);
    }
}
