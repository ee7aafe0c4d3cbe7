using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>How the vectors of a document's tokens become one.</summary>
public enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean,

    /// <summary>That of the last token, which has read all others.</summary>
    LastToken,

    /// <summary>That of the first token.</summary>
    FirstToken,
}

/// <summary>Which vectors of a model are pooled.</summary>
public enum EmbeddingSource
{
    /// <summary>The hidden states after the final norm: one vector [hidden] per document.</summary>
    FinalNorm,

    /// <summary>
    /// What the router and the experts of each layer read: one vector [layers · hidden] per document, layer after layer, each layer's part
    /// normalised by itself. The mean over the documents of a domain can begin an expert's router rows.
    /// </summary>
    RouterInput,
}

/// <summary>How documents are embedded.</summary>
public sealed record EmbeddingOptions
{
    /// <summary>How the vectors of a document's tokens become one.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>Which vectors are pooled.</summary>
    public EmbeddingSource Source { get; init; } = EmbeddingSource.FinalNorm;

    /// <summary>Divides each embedding, cut to <see cref="Dimensions"/>, by its Euclidean norm; a zero vector stays zero.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>Keeps the first so many components only, 1 to <see cref="Embedder.Dimensions"/>; null keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Which experts may be used.</summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>k: how many experts run per token; the model's own number by default.</summary>
    public int? ActiveExperts { get; init; }

    /// <summary>Cuts documents that are longer than the context, rather than refusing them.</summary>
    public bool Truncate { get; init; }
}
