namespace FlexKernel.Embeddings;

/// <summary>Pools the rows of one document as they come, in float64.</summary>
/// <remarks>Rows are added in their order, so the result does not depend on how many arrive at once.</remarks>
/// <param name="pooling">How rows become one.</param>
/// <param name="width">Values per row.</param>
internal sealed class RowPool(Pooling pooling, int width)
{
    private readonly double[] _values = new double[width];
    private long _rows;

    /// <summary>Adds the next row.</summary>
    public void Add(ReadOnlySpan<float> row)
    {
        if (pooling == Pooling.Mean)
        {
            for (int i = 0; i < _values.Length; i++)
            {
                _values[i] += row[i];
            }
        }
        else if (pooling == Pooling.LastToken || _rows == 0)
        {
            for (int i = 0; i < _values.Length; i++)
            {
                _values[i] = row[i];
            }
        }

        _rows++;
    }

    /// <summary>The pooled vector.</summary>
    /// <exception cref="InvalidOperationException">No row was added.</exception>
    public double[] Result()
    {
        if (_rows == 0)
        {
            throw new InvalidOperationException("No row was added to pool.");
        }

        return pooling == Pooling.Mean ? Array.ConvertAll(_values, sum => sum / _rows) : [.. _values];
    }
}
