using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Adapters;

/// <summary>A tensor that an adapter brings whole, in place of the model's.</summary>
/// <param name="Name">The name in the model.</param>
/// <param name="Shape">The dimensions, outer first.</param>
/// <param name="Values">The values, row-major.</param>
public sealed record SavedTensor(string Name, ImmutableArray<long> Shape, ReadOnlyMemory<float> Values);

/// <summary>A LoRA adapter in memory: low-rank updates of matrices, and tensors in place of the model's, as PEFT stores them.</summary>
public sealed class LoraAdapter
{
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>Creates an adapter.</summary>
    /// <param name="config">Its configuration, which must choose these updates and tensors.</param>
    /// <param name="updates">The updates.</param>
    /// <param name="savedTensors">The tensors in place of the model's.</param>
    public LoraAdapter(AdapterConfig config, IEnumerable<LowRankUpdate> updates, IEnumerable<SavedTensor> savedTensors)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        Updates = [.. updates];
        SavedTensors = [.. savedTensors];
    }

    /// <summary>Gets the configuration.</summary>
    public AdapterConfig Config { get; }

    /// <summary>Gets the updates, in the order of the model's tensors.</summary>
    public ImmutableArray<LowRankUpdate> Updates { get; }

    /// <summary>Gets the tensors in place of the model's: those of <see cref="AdapterConfig.SavedModules"/>, and matrices that an update
    /// changes, where the file brings them; PEFT does so for the head.</summary>
    public ImmutableArray<SavedTensor> SavedTensors { get; }

    /// <summary>Gets the number of values.</summary>
    public long ParameterCount => Updates.Sum(update => (long)update.A.Length + update.B.Length) + SavedTensors.Sum(tensor => (long)tensor.Values.Length);

    /// <summary>Loads an adapter for a model.</summary>
    /// <param name="directory">A directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="model">The model it is for.</param>
    /// <exception cref="ModelConfigException">The configuration is malformed, not plain LoRA, or chooses what the model does not have.</exception>
    /// <exception cref="CheckpointException">The tensors cannot be read, do not fit the model (all differences are listed), or are not finite.</exception>
    public static LoraAdapter Load(string directory, ModelDescription model)
    {
        ArgumentNullException.ThrowIfNull(model);
        using AdapterFiles files = AdapterFiles.Open(directory, model);
        return new LoraAdapter(
            files.Config,
            files.Targets.Updates.Select(files.ReadUpdate),
            files.SavedTensors.Select(saved => new SavedTensor(saved.Tensor.Name, saved.Tensor.Shape, AdapterFiles.Read(saved.Stored))));
    }

    /// <summary>Writes the adapter as PEFT reads it, with tensors in float32.</summary>
    /// <param name="directory">A directory to appear whole: new or empty unless <paramref name="overwrite"/>.</param>
    /// <param name="overwrite">Whether an adapter that is there is replaced.</param>
    /// <exception cref="IOException">The directory is taken, or cannot be written.</exception>
    public void Save(string directory, bool overwrite = false)
    {
        using NewDirectory target = NewDirectory.Create(directory, overwrite, AdapterConfig.FileName);
        target.Write(AdapterConfig.FileName, Config.ToUtf8());
        (TensorSpec Spec, ReadOnlyMemory<float> Values)[] tensors = [.. Updates.SelectMany(Factors), .. SavedTensors.Select(Whole)];
        string path = Path.Combine(target.Path, AdapterFiles.WeightsName);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors.Select(tensor => tensor.Spec), Metadata))
        {
            foreach ((TensorSpec spec, ReadOnlyMemory<float> values) in tensors)
            {
                writer.Append(spec.Name, MemoryMarshal.AsBytes(values.Span));
            }

            writer.Complete();
        }

        target.Complete();
    }

    private static (TensorSpec Spec, ReadOnlyMemory<float> Values)[] Factors(LowRankUpdate update) =>
    [
        (new TensorSpec(AdapterNames.FactorA(update.Module), TensorType.F32, update.Rank, update.Columns), update.A),
        (new TensorSpec(AdapterNames.FactorB(update.Module), TensorType.F32, update.Rows, update.Rank), update.B),
    ];

    private (TensorSpec Spec, ReadOnlyMemory<float> Values) Whole(SavedTensor tensor)
    {
        string module = AdapterNames.Module(tensor.Name);
        string name = Updates.Any(update => update.Module == module) ? AdapterNames.Base(module) : AdapterNames.Saved(tensor.Name);
        return (new TensorSpec(name, TensorType.F32, tensor.Shape), tensor.Values);
    }
}
