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

    /// <summary>The largest number of experts per row.</summary>
    public int ActiveExperts { get; }

    /// <summary>The experts of a row, ascending.</summary>
    public ReadOnlySpan<int> Experts(int row) => _experts.AsSpan(row * ActiveExperts, _counts[row]);

    /// <summary>Their weights.</summary>
    public ReadOnlySpan<float> Weights(int row) => _weights.AsSpan(row * ActiveExperts, _counts[row]);

    /// <summary>Sets the choice of a row.</summary>
    public void Set(int row, ReadOnlySpan<int> experts, ReadOnlySpan<float> weights)
    {
        experts.CopyTo(_experts.AsSpan(row * ActiveExperts, ActiveExperts));
        weights.CopyTo(_weights.AsSpan(row * ActiveExperts, ActiveExperts));
        _counts[row] = experts.Length;
    }
}
