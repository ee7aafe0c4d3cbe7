using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Matrices that are kept in one format.</summary>
public enum TensorClass
{
    /// <summary>The token embedding; also the head where the two are one.</summary>
    Embedding,

    /// <summary>The output projection to the vocabulary.</summary>
    Head,

    /// <summary>Query, key, value and output projections.</summary>
    Attention,

    /// <summary>Gate, up and down projections: of full experts, or of a dense model.</summary>
    FeedForward,

    /// <summary>The factors of low-rank experts.</summary>
    LowRank,

    /// <summary>Routers, norms and biases: small, decisive, and never quantised.</summary>
    Other,
}

/// <summary>The formats of single classes of matrices, where they differ from that of all weights; null: as all weights.</summary>
public sealed record WeightFormats
{
    /// <summary>The format of the token embedding.</summary>
    public WeightFormat? Embedding { get; init; }

    /// <summary>The format of a head of its own.</summary>
    public WeightFormat? Head { get; init; }

    /// <summary>The format of the attention projections.</summary>
    public WeightFormat? Attention { get; init; }

    /// <summary>The format of the feed-forward projections of full experts, or of a dense model.</summary>
    public WeightFormat? FeedForward { get; init; }

    /// <summary>The format of low-rank factors, F32 or BF16: they are never quantised, whatever the rest is.</summary>
    /// <exception cref="ArgumentException">The format is a quantised one.</exception>
    public WeightFormat? LowRank
    {
        get;
        init => field = value?.IsQuantized() == true
            ? throw new ArgumentException($"Low-rank factors are kept as F32 or BF16, not as {value}.", nameof(value))
            : value;
    }

    /// <summary>The class of a tensor.</summary>
    public static TensorClass ClassOf(TensorRole role) => role switch
    {
        TensorRole.Embedding => TensorClass.Embedding,
        TensorRole.Head => TensorClass.Head,
        TensorRole.Query or TensorRole.Key or TensorRole.Value or TensorRole.Output => TensorClass.Attention,
        TensorRole.Gate or TensorRole.Up or TensorRole.Down or TensorRole.FusedGateUp or TensorRole.FusedDown => TensorClass.FeedForward,
        TensorRole.GateA or TensorRole.GateB or TensorRole.UpA or TensorRole.UpB or TensorRole.DownA or TensorRole.DownB => TensorClass.LowRank,
        _ => TensorClass.Other,
    };

    /// <summary>The format that is asked for a class, or null.</summary>
    /// <param name="tensorClass">The class.</param>
    /// <param name="all">What is asked for all weights.</param>
    internal WeightFormat? Of(TensorClass tensorClass, WeightFormat? all)
    {
        // Routers and low-rank factors are small and decide much: they stay what they are when the rest is quantised.
        WeightFormat? small = all?.IsQuantized() == true ? null : all;
        return tensorClass switch
        {
            TensorClass.Embedding => Embedding ?? all,
            TensorClass.Head => Head ?? all,
            TensorClass.Attention => Attention ?? all,
            TensorClass.FeedForward => FeedForward ?? all,
            TensorClass.LowRank => LowRank ?? small,
            _ => small,
        };
    }
}
