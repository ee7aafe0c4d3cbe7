using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>The weights of a model, packed for the kernels.</summary>
public sealed class ModelWeights : IDisposable
{
    private readonly List<IDisposable> _owned;

    internal ModelWeights(
        ModelDescription description, PackedMatrix embedding, PackedMatrix head, Activations finalNorm, LayerWeights[] layers, List<IDisposable> owned)
    {
        Description = description;
        Embedding = embedding;
        Head = head;
        FinalNorm = finalNorm;
        Layers = layers;
        _owned = owned;
    }

    /// <summary>What the weights are: ranks as loaded, experts that were densified as full ones.</summary>
    public ModelDescription Description { get; }

    /// <summary>Bytes held in memory.</summary>
    public long ByteCount => _owned.Sum(o => o is PackedMatrix matrix ? matrix.ByteCount : ((Activations)o).ByteCount);

    /// <summary>Whether any matrix is kept quantised, so that products with it run on bytes.</summary>
    public bool IsQuantized => _owned.OfType<PackedMatrix>().Any(matrix => matrix.Format.IsQuantized());

    /// <summary>The lower-case hexadecimal SHA-256 of each weight file, by file name, and of that of a merged adapter, by its path: what exactly
    /// was loaded. Empty when not computed.</summary>
    public IReadOnlyDictionary<string, string> FileSha256 { get; internal init; } = new Dictionary<string, string>();

    internal PackedMatrix Embedding { get; }

    internal PackedMatrix Head { get; }

    internal Activations FinalNorm { get; }

    internal LayerWeights[] Layers { get; }

    /// <inheritdoc/>
    public void Dispose() => _owned.ForEach(o => o.Dispose());
}

/// <summary>The weights of one layer; what an architecture lacks is null.</summary>
internal sealed record LayerWeights(
    Activations AttentionNorm,
    Activations FeedForwardNorm,
    PackedMatrix Query,
    PackedMatrix Key,
    PackedMatrix Value,
    PackedMatrix Output,
    Activations? QueryBias,
    Activations? KeyBias,
    Activations? ValueBias,
    Activations? OutputBias,
    Activations? QueryNorm,
    Activations? KeyNorm,
    PackedMatrix? Router,
    FeedForwardWeights FeedForward);
