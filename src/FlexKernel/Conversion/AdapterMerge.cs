using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>Rows of a tensor of the model, wherever they are stored.</summary>
/// <param name="Slot">The tensor's place in the model, as if no experts were fused.</param>
/// <param name="FirstRow">The first row in that tensor.</param>
/// <param name="Stored">Where the rows lie.</param>
internal readonly record struct SlotRows(TensorSlot Slot, long FirstRow, StoredRows Stored);

/// <summary>Puts an adapter into the rows that a conversion copies or a load reads.</summary>
internal sealed class AdapterMerge : IDisposable
{
    private readonly AdapterFiles _files;
    private readonly Dictionary<TensorSlot, LowRankUpdate> _updates;
    private readonly Dictionary<TensorSlot, StoredTensor> _saved;

    /// <summary>Opens an adapter and reads its updates.</summary>
    /// <param name="directory">The directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="model">The model.</param>
    /// <param name="isNeeded">Whether a tensor's update is to be read; null: those of all.</param>
    /// <inheritdoc cref="AdapterFiles.Open" path="/exception"/>
    public AdapterMerge(string directory, ModelDescription model, Func<TensorSlot, bool>? isNeeded = null)
    {
        _files = AdapterFiles.Open(directory, model);
        try
        {
            _updates = _files.Targets.Updates
                .Where(target => isNeeded?.Invoke(target.Weight.Slot) ?? true)
                .ToDictionary(target => target.Weight.Slot, _files.ReadUpdate);
            _saved = _files.SavedTensors.ToDictionary(saved => saved.Tensor.Slot, saved => saved.Stored);
        }
        catch
        {
            _files.Dispose();
            throw;
        }
    }

    /// <summary>Gets the file of the adapter's tensors.</summary>
    public SafetensorsFile Weights => _files.Weights;

    /// <summary>The rows, or those that the adapter brings instead, with the update of their tensor.</summary>
    public StoredRows Apply(SlotRows rows)
    {
        StoredRows stored = _saved.TryGetValue(rows.Slot, out StoredTensor saved)
            ? new StoredRows(saved, rows.FirstRow, rows.Stored.Count) { IsReplacement = true }
            : rows.Stored;
        return stored with { Update = _updates.GetValueOrDefault(rows.Slot), UpdateRow = rows.FirstRow };
    }

    /// <inheritdoc/>
    public void Dispose() => _files.Dispose();
}
