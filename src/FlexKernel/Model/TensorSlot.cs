namespace FlexKernel.Model;

/// <summary>What a checkpoint tensor is used for, whatever its name.</summary>
public enum TensorRole
{
    /// <summary>Token embedding [V, d].</summary>
    Embedding,

    /// <summary>Output projection to the vocabulary [V, d].</summary>
    Head,

    /// <summary>Gain of the norm before the head [d].</summary>
    FinalNorm,

    /// <summary>Gain of the attention block's norm [d]: of its input or of its output, by <see cref="NormPlacement"/>.</summary>
    AttentionNorm,

    /// <summary>Gain of the feed-forward block's norm [d]: of its input or of its output, by <see cref="NormPlacement"/>.</summary>
    FeedForwardNorm,

    /// <summary>Query projection [Hq·D, d].</summary>
    Query,

    /// <summary>Key projection [Hkv·D, d].</summary>
    Key,

    /// <summary>Value projection [Hkv·D, d].</summary>
    Value,

    /// <summary>Attention output projection [d, Hq·D].</summary>
    Output,

    /// <summary>Bias of the query projection [Hq·D].</summary>
    QueryBias,

    /// <summary>Bias of the key projection [Hkv·D].</summary>
    KeyBias,

    /// <summary>Bias of the value projection [Hkv·D].</summary>
    ValueBias,

    /// <summary>Bias of the attention output projection [d].</summary>
    OutputBias,

    /// <summary>Gain of the query norm [Hq·D].</summary>
    QueryNorm,

    /// <summary>Gain of the key norm [Hkv·D].</summary>
    KeyNorm,

    /// <summary>Router [E, d].</summary>
    Router,

    /// <summary>Gate projection [h, d].</summary>
    Gate,

    /// <summary>Up projection [h, d].</summary>
    Up,

    /// <summary>Down projection [d, h].</summary>
    Down,

    /// <summary>Bias of the gate projection [h].</summary>
    GateBias,

    /// <summary>Bias of the up projection [h].</summary>
    UpBias,

    /// <summary>Bias of the down projection [d].</summary>
    DownBias,

    /// <summary>Inner factor of a low-rank gate projection [r, d].</summary>
    GateA,

    /// <summary>Outer factor of a low-rank gate projection [h, r].</summary>
    GateB,

    /// <summary>Inner factor of a low-rank up projection [r, d].</summary>
    UpA,

    /// <summary>Outer factor of a low-rank up projection [h, r].</summary>
    UpB,

    /// <summary>Inner factor of a low-rank down projection [r, h].</summary>
    DownA,

    /// <summary>Outer factor of a low-rank down projection [d, r].</summary>
    DownB,

    /// <summary>Gate and up projections of all experts [E, 2h, d]; per expert rows 0 to h-1 gate, h to 2h-1 up.</summary>
    FusedGateUp,

    /// <summary>Down projections of all experts [E, d, h].</summary>
    FusedDown,
}

/// <summary>The place of a tensor in the model.</summary>
/// <param name="Role">What it is used for.</param>
/// <param name="Layer">The layer from 0, or <see cref="None"/> outside the layers.</param>
/// <param name="Expert">The expert from 0, or <see cref="None"/> for a tensor that belongs to no single expert.</param>
public readonly record struct TensorSlot(TensorRole Role, int Layer = TensorSlot.None, int Expert = TensorSlot.None)
{
    /// <summary>No layer, or no expert.</summary>
    public const int None = -1;
}
