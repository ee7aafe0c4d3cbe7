using FlexKernel.Embeddings;

namespace FlexKernel.Extensions.AI;

/// <summary>What a <see cref="FlexKernelEmbeddingGenerator"/> does where a request says nothing.</summary>
public sealed record FlexKernelEmbeddingOptions
{
    /// <summary>
    /// The name of the model in answers and telemetry, which requests may ask for; by default that of its directory or architecture.
    /// </summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// The options of a request that sets none. Of the experts it is a bound: a request can leave out more, and cannot use one that is
    /// not in this selection.
    /// </summary>
    public EmbeddingOptions Defaults { get; init; } = new();

    /// <summary>What answers read the time from.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
