using System.Runtime.Intrinsics;

namespace FlexKernel.Sampling;

/// <summary>
/// The largest entries of a vector, at most a fixed number, found in one pass with a heap whose root is the worst entry kept: smaller
/// values are worse, and of equal values the higher index is.
/// </summary>
internal sealed class TopTokens(int capacity)
{
    private readonly float[] _values = new float[capacity];
    private readonly int[] _indices = new int[capacity];

    /// <summary>Number of entries held.</summary>
    public int Count { get; private set; }

    /// <summary>The smallest value held.</summary>
    public float Smallest => _values[0];

    /// <summary>
    /// Replaces the content by the <paramref name="k"/> largest entries of <paramref name="values"/>, or all when it is shorter.
    /// </summary>
    /// <param name="values">The vector.</param>
    /// <param name="k">At least 1, at most the capacity.</param>
    public void Collect(ReadOnlySpan<float> values, int k)
    {
        Count = Math.Min(k, values.Length);
        for (int i = 0; i < Count; i++)
        {
            _values[i] = values[i];
            _indices[i] = i;
        }

        for (int node = Count / 2 - 1; node >= 0; node--)
        {
            SiftDown(node);
        }

        // Once the heap is full nearly every entry is below its root: eight are turned away by one comparison.
        int next = Count;
        for (; next + 8 <= values.Length; next += 8)
        {
            if (Vector256.GreaterThanAny(Vector256.Create(values.Slice(next, 8)), Vector256.Create(_values[0])))
            {
                Offer(values, next, next + 8);
            }
        }

        Offer(values, next, values.Length);
    }

    /// <summary>Removes the worst entry held.</summary>
    public (int Index, float Value) RemoveWorst()
    {
        (int, float) worst = (_indices[0], _values[0]);
        Count--;
        _values[0] = _values[Count];
        _indices[0] = _indices[Count];
        SiftDown(0);
        return worst;
    }

    private void Offer(ReadOnlySpan<float> values, int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            if (values[i] > _values[0])
            {
                _values[0] = values[i];
                _indices[0] = i;
                SiftDown(0);
            }
        }
    }

    private void SiftDown(int node)
    {
        while (true)
        {
            int child = 2 * node + 1;
            if (child >= Count)
            {
                return;
            }

            if (child + 1 < Count && IsWorse(child + 1, child))
            {
                child++;
            }

            if (!IsWorse(child, node))
            {
                return;
            }

            (_values[node], _values[child]) = (_values[child], _values[node]);
            (_indices[node], _indices[child]) = (_indices[child], _indices[node]);
            node = child;
        }
    }

    private bool IsWorse(int a, int b) => _values[a] < _values[b] || (_values[a] == _values[b] && _indices[a] > _indices[b]);
}
