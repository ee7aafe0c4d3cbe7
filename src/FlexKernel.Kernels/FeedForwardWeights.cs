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
public sealed record ExpertWeights(int Root, LowRankWeights[] Corrections);

/// <summary>The feed-forward mixture of one layer.</summary>
/// <param name="HiddenSize">Width of its input and output.</param>
/// <param name="InnerSize">Width between.</param>
/// <param name="Roots">The full networks.</param>
/// <param name="Experts">The experts the router chooses from; a dense layer has one.</param>
public sealed record FeedForwardWeights(int HiddenSize, int InnerSize, FullWeights[] Roots, ExpertWeights[] Experts);
