namespace FlexKernel.Embeddings;

/// <summary>How alike two embeddings are; sums in float64.</summary>
public static class Similarity
{
    /// <summary>a·b / (|a| |b|), from −1 to 1; 0 when either vector is zero.</summary>
    /// <param name="a">A vector.</param>
    /// <param name="b">A vector of the same length.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double norms = Math.Sqrt(Dot(a, a)) * Math.Sqrt(Dot(b, b));
        return norms == 0 ? 0 : Dot(a, b) / norms;
    }

    /// <summary>Σ aᵢ bᵢ; of normalised vectors the cosine.</summary>
    /// <inheritdoc cref="Cosine"/>
    public static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Lengths.RequireEqual(a.Length, b.Length, nameof(b));
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += (double)a[i] * b[i];
        }

        return sum;
    }

    /// <summary>√ Σ (aᵢ − bᵢ)², at least 0; the smaller, the more alike.</summary>
    /// <inheritdoc cref="Cosine"/>
    public static double Euclidean(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Lengths.RequireEqual(a.Length, b.Length, nameof(b));
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = (double)a[i] - b[i];
            sum += difference * difference;
        }

        return Math.Sqrt(sum);
    }

    /// <summary>Σ |aᵢ − bᵢ|, at least 0; the smaller, the more alike.</summary>
    /// <inheritdoc cref="Cosine"/>
    public static double Manhattan(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Lengths.RequireEqual(a.Length, b.Length, nameof(b));
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += Math.Abs((double)a[i] - b[i]);
        }

        return sum;
    }
}
