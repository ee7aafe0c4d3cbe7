using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>What is pooled of a document, and what is made of it.</summary>
/// <param name="description">The model.</param>
/// <param name="options">What is asked for.</param>
internal sealed class PoolingShape(ModelDescription description, EmbeddingOptions options)
{
    /// <summary>The activations that are pooled.</summary>
    public ActivationKind Kind =>
        options.Source == EmbeddingSource.RouterInput ? ActivationKind.FeedForwardInput : ActivationKind.FinalNorm;

    private int Parts => options.Source == EmbeddingSource.RouterInput ? description.LayerCount : 1;

    /// <summary>Empty pools for one document: one, or one per layer.</summary>
    public RowPool[] CreatePools() => [.. Enumerable.Range(0, Parts).Select(_ => new RowPool(options.Pooling, description.HiddenSize))];

    /// <summary>The embedding of a document whose rows have all been pooled.</summary>
    public float[] Finish(RowPool[] pools)
    {
        int width = options.Dimensions ?? description.HiddenSize;
        return [.. pools.SelectMany(pool => EmbeddingVector.Round(pool.Result().AsSpan(0, width), options.Normalize))];
    }
}
