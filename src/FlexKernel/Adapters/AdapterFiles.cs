using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Adapters;

/// <summary>The directory of an adapter, open, with configuration and tensors that fit a model.</summary>
internal sealed class AdapterFiles : IDisposable
{
    /// <summary>The name of the file with the tensors.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    private const string CodeRunningName = "adapter_model.bin";

    private AdapterFiles(AdapterConfig config, AdapterTargets targets, SafetensorsFile weights)
    {
        Config = config;
        Targets = targets;
        Weights = weights;
        SavedTensors =
        [
            .. targets.Saved.Select(tensor => (tensor, weights[AdapterNames.Saved(tensor.Name)])),
            .. targets.Updates.Where(target => IsIn(weights, target.Base)).Select(target => (target.Weight, weights[target.Base.Name])),
        ];
    }

    /// <summary>Gets the configuration.</summary>
    public AdapterConfig Config { get; }

    /// <summary>Gets what it chooses in the model.</summary>
    public AdapterTargets Targets { get; }

    /// <summary>Gets the tensors.</summary>
    public SafetensorsFile Weights { get; }

    /// <summary>Gets the tensors that the adapter brings whole, and their places in the model.</summary>
    public ImmutableArray<(ExpectedTensor Tensor, StoredTensor Stored)> SavedTensors { get; }

    /// <summary>Opens an adapter and compares its tensors with a model.</summary>
    /// <param name="directory">The directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="ModelConfigException">The configuration is malformed, not plain LoRA, or chooses what the model does not have.</exception>
    /// <exception cref="CheckpointException">The tensors cannot be read, or do not fit; all differences are listed.</exception>
    public static AdapterFiles Open(string directory, ModelDescription model)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        string file = Path.Combine(directory, AdapterConfig.FileName), weights = Path.Combine(directory, WeightsName);
        AdapterConfig config = AdapterConfig.Read(file);
        AdapterTargets targets = AdapterTargets.Of(config, model, file);
        if (!File.Exists(weights) && File.Exists(Path.Combine(directory, CodeRunningName)))
        {
            throw new CheckpointException(
                CheckpointError.UnsupportedFormat,
                directory,
                WeightsName,
                $"{CodeRunningName}, a format that may run code when read; save the adapter again, which PEFT does as safetensors");
        }

        SafetensorsFile opened = SafetensorsFile.Open(weights);
        try
        {
            Compare(targets, opened);
            return new AdapterFiles(config, targets, opened);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Reads the update of a matrix.</summary>
    /// <exception cref="CheckpointException">A value is not finite, or the file cannot be read.</exception>
    public LowRankUpdate ReadUpdate(AdapterTarget target) =>
        new(target.Module, target.Rank, target.Scale, Read(Weights[AdapterNames.FactorA(target.Module)]), Read(Weights[AdapterNames.FactorB(target.Module)]));

    /// <summary>Reads a tensor whose values must be finite.</summary>
    /// <exception cref="CheckpointException">One is not, or the file cannot be read.</exception>
    public static float[] Read(StoredTensor tensor)
    {
        float[] values = tensor.ReadSingles();
        int index = NonFinite.IndexIn(MemoryMarshal.AsBytes(values.AsSpan()), TensorType.F32);
        return index < 0
            ? values
            : throw new CheckpointException(CheckpointError.NonFiniteValue, tensor.File.Path, "finite values", $"NaN or infinity at element {index}", tensor.Entry.Name);
    }

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();

    private static bool IsIn(SafetensorsFile file, ExpectedTensor tensor) => file.Header.Find(tensor.Name) is not null;

    private static void Compare(AdapterTargets targets, SafetensorsFile file)
    {
        TensorDefects defects = new();
        Dictionary<string, TensorEntry> left = file.Header.Tensors.ToDictionary(entry => entry.Name);
        IEnumerable<ExpectedTensor> saved = targets.Saved.Select(tensor => tensor with { Name = AdapterNames.Saved(tensor.Name) });
        IEnumerable<ExpectedTensor> bases = targets.Updates.Select(target => target.Base).Where(tensor => IsIn(file, tensor));
        foreach (ExpectedTensor expected in targets.Updates.SelectMany(target => target.Factors).Concat(saved).Concat(bases))
        {
            if (!left.Remove(expected.Name, out TensorEntry? found))
            {
                defects.AddMissing(expected);
                continue;
            }

            defects.CompareShape(expected, found.Shape);
            if (!TensorDefects.WeightTypes.Contains(found.Type.FormatName()))
            {
                defects.AddMistyped(expected, found.Type.FormatName());
            }
        }

        foreach (TensorEntry entry in left.Values.OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            defects.AddUnexpected(entry.Name, entry.Type.FormatName(), entry.Shape);
        }

        defects.ThrowIfAny(file.Path);
    }
}
