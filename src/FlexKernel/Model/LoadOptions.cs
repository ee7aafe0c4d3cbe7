using System.Text.Json;
using FlexKernel.Kernels;
using FlexKernel.Packing;

namespace FlexKernel.Model;

/// <summary>Which low-rank experts are written out as full ones at load.</summary>
public enum Densification
{
    /// <summary>None.</summary>
    Never,

    /// <summary>Those whose factors are larger than the matrices they correct.</summary>
    AboveBreakEven,

    /// <summary>All.</summary>
    Always,
}

/// <summary>How weights are loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>The format weights are kept in; by default BF16 stays BF16 and the rest becomes F32, so that nothing is rounded. Weights that are
    /// packed already keep their formats: asking for another is an error.</summary>
    public WeightFormat? Weights { get; init; }

    /// <summary>The formats of single classes of matrices, where they differ from <see cref="Weights"/>.</summary>
    public WeightFormats Formats { get; init; } = new();

    /// <summary>Cuts every low-rank expert to this rank: the first rows of A and columns of B; no limit by default.</summary>
    public int? MaxRank { get; init; }

    /// <summary>Which low-rank experts are written out as full ones; none by default.</summary>
    public Densification Densification { get; init; }

    /// <summary>Whether a NaN or an infinity among the weights is an error; on by default.</summary>
    public bool RejectNonFinite { get; init; } = true;

    /// <summary>
    /// The experts to load, all by default. The tensors and router rows of the others are never read and take no memory; requests can
    /// no longer allow them. An excluded expert must not be the base of one that stays; one that is merely not allowed is then loaded
    /// as a base that the router does not see.
    /// </summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>Whether every weight file is digested while it is read, see <see cref="ModelWeights.FileSha256"/>; on by default, and
    /// without effect when experts are left out, whose bytes a digest would have to read.</summary>
    public bool ComputeSha256 { get; init; } = true;

    /// <summary>The directory of a LoRA adapter to merge while the weights are read, in PEFT's format (<c>adapter_config.json</c>,
    /// <c>adapter_model.safetensors</c>); null, the default, for none.</summary>
    /// <remarks>The weights have the bits of a checkpoint that <see cref="Conversion.ModelConverter"/> wrote with the adapter, kept in the same
    /// formats: every matrix becomes <c>W + s·B·A</c>, computed in float32 and rounded once to its stored type, and is quantised only then.
    /// Packed weights have lost what an update is added to: they are refused.</remarks>
    public string? Adapter { get; init; }

    /// <summary>The most bytes that packed weights may take; 90 % of what the system says is available by default.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>The threads that pack weights; one per processor by default. The weights do not depend on it.</summary>
    public int? Threads { get; init; }

    /// <summary>Keeps packed weights on disk for the next load; null, the default, for none: it doubles the disk space of a model, and a copy
    /// of weights is not to be made unasked. Not used with an <see cref="Adapter"/>: every new state of one would leave a copy of all weights.</summary>
    public PackedWeightCache? Cache { get; init; }

    /// <summary>A JSON object put over <c>config.json</c>, for example <c>{"num_experts_per_tok": 4}</c>.</summary>
    public JsonElement ConfigOverrides { get; init; }

    /// <summary>The name of the configuration file in the model directory.</summary>
    public string ConfigFile { get; init; } = "config.json";
}
