namespace FlexKernel.Kernels;

/// <summary>One low-rank correction of a feed-forward network: <c>W + B·A</c> for each of its three matrices, scales folded in.</summary>
/// <param name="GateA">A of the gate projection [rank, hidden].</param>
/// <param name="GateB">B of the gate projection [inner, rank].</param>
/// <param name="UpA">A of the up projection [rank, hidden].</param>
/// <param name="UpB">B of the up projection [inner, rank].</param>
/// <param name="DownA">A of the down projection [rank, inner].</param>
/// <param name="DownB">B of the down projection [hidden, rank].</param>
public sealed record LowRankWeights(PackedMatrix GateA, PackedMatrix GateB, PackedMatrix UpA, PackedMatrix UpB, PackedMatrix DownA, PackedMatrix DownB);

/// <summary>The matrices of a full feed-forward network: <c>Down( silu(Gate x) ⊙ (Up x) )</c>.</summary>
/// <param name="Gate">[inner, hidden].</param>
/// <param name="Up">[inner, hidden].</param>
/// <param name="Down">[hidden, inner].</param>
/// <param name="GateBias">[inner], or null.</param>
/// <param name="UpBias">[inner], or null.</param>
/// <param name="DownBias">[hidden], or null.</param>
public sealed record FullWeights(
    PackedMatrix Gate, PackedMatrix Up, PackedMatrix Down, Activations? GateBias = null, Activations? UpBias = null, Activations? DownBias = null);

/// <summary>One expert: a full network, or corrections on top of one.</summary>
/// <param name="Root">Index of the full network it stands on.</param>
/// <param name="Corrections">The chain of corrections from the root to this expert; empty for the full network itself.</param>
public sealed record ExpertWeights(int Root, LowRankWeights[] Corrections)
{
    /// <summary>Stands at the index of an expert that was not loaded, and stands on no root; no row may be routed to it.</summary>
    public static ExpertWeights NotLoaded { get; } = new(-1, []);
}

/// <summary>The feed-forward mixture of one layer.</summary>
/// <param name="HiddenSize">Width of its input and output.</param>
/// <param name="InnerSize">Width between.</param>
/// <param name="Roots">The full networks.</param>
/// <param name="Experts">The experts the router chooses from; a dense layer has one.</param>
/// <exception cref="ArgumentException">A matrix or bias has another shape, or an expert stands on a root that is not there.</exception>
public sealed record FeedForwardWeights(int HiddenSize, int InnerSize, FullWeights[] Roots, ExpertWeights[] Experts)
{
    /// <summary>The full networks.</summary>
    public FullWeights[] Roots { get; } = Checked(Roots, HiddenSize, InnerSize);

    /// <summary>The experts the router chooses from; a dense layer has one.</summary>
    public ExpertWeights[] Experts { get; } = Checked(Experts, HiddenSize, InnerSize, Roots.Length);

    private static FullWeights[] Checked(FullWeights[] roots, int hidden, int inner)
    {
        foreach (FullWeights root in roots)
        {
            Check(root.Gate, inner, hidden, nameof(root.Gate));
            Check(root.Up, inner, hidden, nameof(root.Up));
            Check(root.Down, hidden, inner, nameof(root.Down));
            Check(root.GateBias, inner, nameof(root.GateBias));
            Check(root.UpBias, inner, nameof(root.UpBias));
            Check(root.DownBias, hidden, nameof(root.DownBias));
        }

        return roots;
    }

    private static ExpertWeights[] Checked(ExpertWeights[] experts, int hidden, int inner, int roots)
    {
        if (experts.Length == 0)
        {
            throw new ArgumentException("A feed-forward layer needs at least one expert.", nameof(experts));
        }

        foreach (ExpertWeights expert in experts)
        {
            if ((uint)expert.Root >= (uint)roots && !ReferenceEquals(expert, ExpertWeights.NotLoaded))
            {
                throw new ArgumentException($"An expert stands on root {expert.Root}; there are {roots}.", nameof(experts));
            }

            foreach (LowRankWeights c in expert.Corrections)
            {
                Check(c.GateA, c.GateA.Rows, hidden, nameof(c.GateA));
                Check(c.GateB, inner, c.GateA.Rows, nameof(c.GateB));
                Check(c.UpA, c.UpA.Rows, hidden, nameof(c.UpA));
                Check(c.UpB, inner, c.UpA.Rows, nameof(c.UpB));
                Check(c.DownA, c.DownA.Rows, inner, nameof(c.DownA));
                Check(c.DownB, hidden, c.DownA.Rows, nameof(c.DownB));
                CheckFloat(c.GateA, c.GateB, c.UpA, c.UpB, c.DownA, c.DownB);
            }
        }

        return experts;
    }

    private static void CheckFloat(params ReadOnlySpan<PackedMatrix> factors)
    {
        foreach (PackedMatrix factor in factors)
        {
            if (factor.Format.IsQuantized())
            {
                throw new ArgumentException($"A low-rank factor is kept as {factor.Format}, expected {WeightFormat.F32} or {WeightFormat.BF16}.", nameof(factors));
            }
        }
    }

    private static void Check(PackedMatrix matrix, int rows, int columns, string name)
    {
        if (matrix.Rows != rows || matrix.Columns != columns)
        {
            throw new ArgumentException($"{name} is [{matrix.Rows}, {matrix.Columns}], expected [{rows}, {columns}].", name);
        }
    }

    private static void Check(Activations? bias, int columns, string name)
    {
        if (bias is not null && bias.Columns != columns)
        {
            throw new ArgumentException($"{name} has {bias.Columns} values, expected {columns}.", name);
        }
    }
}
