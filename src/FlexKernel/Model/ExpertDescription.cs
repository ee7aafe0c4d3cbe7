namespace FlexKernel.Model;

/// <summary>One expert of a mixture; its tensors exist in every layer under the same index.</summary>
public sealed record ExpertDescription
{
    /// <summary>The row of the router and the index in tensor names, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>The name used in selections and reports; the index in digits when the checkpoint gives none.</summary>
    public required string Name { get; init; }

    /// <summary>The rank of the factors; 0 for a full expert. It may exceed the smaller matrix dimension.</summary>
    public required int Rank { get; init; }

    /// <summary>The factor alpha/rank of the low-rank term; 1 for a full expert.</summary>
    public required float Scale { get; init; }

    /// <summary>The expert that the low-rank term is added to, itself full or low-rank; the own index for a full expert.</summary>
    public required int Base { get; init; }

    /// <summary>The full expert at the end of the chain of bases; the own index for a full expert.</summary>
    public required int Root { get; init; }

    /// <summary>False when the model was loaded without the expert, so that no request can allow it. Default: true.</summary>
    public bool IsAvailable { get; init; } = true;

    /// <summary>True when the expert has matrices of its own rather than factors.</summary>
    public bool IsFull => Rank == 0;
}
