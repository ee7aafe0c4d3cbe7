namespace FlexKernel.Kernels;

/// <summary>Cosines and sines of rotary position embedding: angle(p, j) = p · inverseFrequency[j], in float32.</summary>
public sealed class RotaryTable : IDisposable
{
    /// <summary>Computes the tables.</summary>
    /// <param name="inverseFrequencies">[D / 2].</param>
    /// <param name="positions">Positions 0 … positions − 1.</param>
    public RotaryTable(ReadOnlySpan<float> inverseFrequencies, int positions)
    {
        Cosines = new Activations(positions, inverseFrequencies.Length);
        Sines = new Activations(positions, inverseFrequencies.Length);
        for (int p = 0; p < positions; p++)
        {
            Span<float> cosines = Cosines.Row(p), sines = Sines.Row(p);
            for (int j = 0; j < inverseFrequencies.Length; j++)
            {
                (double sine, double cosine) = Math.SinCos((double)(p * inverseFrequencies[j]));
                cosines[j] = (float)cosine;
                sines[j] = (float)sine;
            }
        }
    }

    /// <summary>Positions in the table.</summary>
    public int Positions => Cosines.Rows;

    /// <summary>Values per head that the table rotates: two per frequency.</summary>
    public int Dimension => 2 * Cosines.Columns;

    internal Activations Cosines { get; }

    internal Activations Sines { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cosines.Dispose();
        Sines.Dispose();
    }
}
