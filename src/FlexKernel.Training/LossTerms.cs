namespace FlexKernel.Training;

/// <summary>The loss of a batch and its terms, in nats; router terms are 0 without a mixture.</summary>
public sealed record LossTerms
{
    /// <summary><see cref="CrossEntropy"/> plus every other term times its weight.</summary>
    public required double Loss { get; init; }

    /// <summary>The mean over all targets of the batch of <c>logsumexp(logits) − logit of the target</c>.</summary>
    public required double CrossEntropy { get; init; }

    /// <summary>The mean over the same rows of <c>logsumexp(logits)²</c>.</summary>
    public required double Z { get; init; }

    /// <summary><c>(1/T) Σ_layers Σ_rows logsumexp(router logits)²</c>, T the rows of the batch.</summary>
    public required double RouterZ { get; init; }

    /// <summary><c>E/(T·k) Σ_layers Σ_experts (rows that chose e) · (mean probability of e)</c>.</summary>
    public required double LoadBalance { get; init; }

    /// <summary><c>E Σ_experts (share of rows of all layers that chose e) · (mean probability of e over them)</c>, as Hugging Face computes it.</summary>
    public required double RouterAuxiliary { get; init; }

    /// <summary>The targets counted.</summary>
    public required long Targets { get; init; }
}
