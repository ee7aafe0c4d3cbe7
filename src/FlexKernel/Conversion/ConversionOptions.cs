using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>How the experts of a layer are stored.</summary>
public enum ExpertStorage
{
    /// <summary>As in the source, layer by layer.</summary>
    AsStored,

    /// <summary>Every projection of every expert under a name of its own.</summary>
    Split,

    /// <summary>All experts of a layer in two 3-D tensors; full experts of some model types only.</summary>
    Fused,
}

/// <summary>What a conversion changes; by default nothing but the division into files.</summary>
public sealed record ConversionOptions
{
    /// <summary>Gets the element type to store: F32, BF16 or F16; null, the default, keeps each tensor's own.</summary>
    /// <remarks>Values are rounded to nearest, ties to even.</remarks>
    public TensorType? Type { get; init; }

    /// <summary>Gets the rank that low-rank experts are cut to: the first rows of A and columns of B; no limit by default.</summary>
    public int? MaxRank { get; init; }

    /// <summary>Gets ranks of single low-rank experts by name or index, each from 1 to the stored rank; none by default.</summary>
    public ImmutableDictionary<string, int> Ranks { get; init; } = ImmutableDictionary<string, int>.Empty;

    /// <summary>Gets the experts to keep; they are numbered anew without gaps. All by default.</summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>Gets how experts are stored; as in the source by default.</summary>
    public ExpertStorage ExpertStorage { get; init; }

    /// <summary>Gets the directory of a LoRA adapter to merge, in PEFT's format; null for none.</summary>
    /// <remarks>Every matrix becomes <c>W + s·B·A</c>, computed in float32 and rounded once to the stored type; tensors that the adapter
    /// brings whole replace the source's.</remarks>
    public string? Adapter { get; init; }

    /// <summary>Gets how the tensors are divided into files.</summary>
    public Sharding Sharding { get; init; } = Sharding.Default;

    /// <summary>Gets whether a model directory at the destination is replaced; false by default.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Gets the number of threads; one per processor, at most 8, by default. The files do not depend on it.</summary>
    public int? Threads { get; init; }
}

/// <summary>What was written.</summary>
/// <param name="Description">The model as written.</param>
/// <param name="TensorCount">Tensors in the weight files.</param>
/// <param name="TensorBytes">Their bytes.</param>
/// <param name="FileCount">Weight files.</param>
/// <param name="OtherFiles">The files beside weights and configuration that were copied, by name.</param>
public sealed record WrittenModel(
    ModelDescription Description, int TensorCount, long TensorBytes, int FileCount, ImmutableArray<string> OtherFiles);
