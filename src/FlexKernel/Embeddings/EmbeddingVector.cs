namespace FlexKernel.Embeddings;

/// <summary>Arithmetic on embeddings: sums in float64, one rounding to float32 at the end.</summary>
public static class EmbeddingVector
{
    /// <summary>Divides a vector by its Euclidean norm; a zero vector stays zero.</summary>
    /// <param name="vector">The vector.</param>
    public static float[] Normalize(ReadOnlySpan<float> vector) => Shorten(vector, vector.Length);

    /// <summary>Keeps the first components of a vector and divides them by their Euclidean norm; zeros stay zero.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="dimensions">How many components to keep, 1 to the vector's length.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="dimensions"/> is out of range.</exception>
    public static float[] Shorten(ReadOnlySpan<float> vector, int dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimensions);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimensions, vector.Length);
        double[] kept = new double[dimensions];
        for (int i = 0; i < dimensions; i++)
        {
            kept[i] = vector[i];
        }

        return Round(kept, normalize: true);
    }

    /// <summary>The mean of vectors, not normalised: of the embeddings of a domain's documents, the domain's embedding.</summary>
    /// <param name="vectors">At least one vector, all of the same length.</param>
    /// <exception cref="ArgumentException">There is no vector, or their lengths differ.</exception>
    public static float[] Mean(IReadOnlyList<float[]> vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        if (vectors.Count == 0)
        {
            throw new ArgumentException("There is no vector to take the mean of.", nameof(vectors));
        }

        RowPool pool = new(Pooling.Mean, vectors[0].Length);
        foreach (float[] vector in vectors)
        {
            Lengths.RequireEqual(vectors[0].Length, vector.Length, nameof(vectors));
            pool.Add(vector);
        }

        return Round(pool.Result(), normalize: false);
    }

    /// <summary>Rounds a pooled vector to float32, divided by its norm or as it is.</summary>
    internal static float[] Round(ReadOnlySpan<double> pooled, bool normalize)
    {
        double scale = normalize ? Norm(pooled) : 1;
        float[] rounded = new float[pooled.Length];
        for (int i = 0; i < rounded.Length; i++)
        {
            rounded[i] = scale == 0 ? 0 : (float)(pooled[i] / scale);
        }

        return rounded;
    }

    private static double Norm(ReadOnlySpan<double> vector)
    {
        double squares = 0;
        foreach (double value in vector)
        {
            squares += value * value;
        }

        return Math.Sqrt(squares);
    }
}
