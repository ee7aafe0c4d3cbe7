namespace FlexKernel.Kernels;

/// <summary>The router's choice for every row of a batch: experts in ascending index and their weights.</summary>
public sealed class RoutingTable
{
    private readonly int[] _experts;
    private readonly float[] _weights;
    private readonly int[] _counts;

    /// <summary>Makes an empty table.</summary>
    /// <param name="rows">The largest number of rows.</param>
    /// <param name="activeExperts">The largest number of experts per row.</param>
    public RoutingTable(int rows, int activeExperts)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(activeExperts);
        ActiveExperts = activeExperts;
        _experts = new int[rows * activeExperts];
        _weights = new float[rows * activeExperts];
        _counts = new int[rows];
    }

    /// <summary>The largest number of rows.</summary>
    public int Rows => _counts.Length;

    /// <summary>The largest number of experts per row.</summary>
    public int ActiveExperts { get; }

    /// <summary>The experts of a row, ascending.</summary>
    public ReadOnlySpan<int> Experts(int row) => _experts.AsSpan(row * ActiveExperts, _counts[row]);

    /// <summary>Their weights.</summary>
    public ReadOnlySpan<float> Weights(int row) => _weights.AsSpan(row * ActiveExperts, _counts[row]);

    /// <summary>Sets the choice of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="experts">At most <see cref="ActiveExperts"/> experts, ascending.</param>
    /// <param name="weights">One per expert.</param>
    /// <exception cref="ArgumentException">There are too many experts, they do not ascend, or the weights are not as many.</exception>
    public void Set(int row, ReadOnlySpan<int> experts, ReadOnlySpan<float> weights)
    {
        if (experts.Length > ActiveExperts || experts.Length != weights.Length)
        {
            throw new ArgumentException($"{experts.Length} experts with {weights.Length} weights for a table of {ActiveExperts} per row.", nameof(experts));
        }

        for (int i = 0; i < experts.Length; i++)
        {
            if (experts[i] <= (i == 0 ? -1 : experts[i - 1]))
            {
                throw new ArgumentException($"Expert {experts[i]} at place {i}: the indices must ascend from 0.", nameof(experts));
            }
        }

        experts.CopyTo(_experts.AsSpan(row * ActiveExperts, ActiveExperts));
        weights.CopyTo(_weights.AsSpan(row * ActiveExperts, ActiveExperts));
        _counts[row] = experts.Length;
    }
}
