using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Model;

/// <summary>The tensors of a checkpoint that fits its model: which name stands for which place, both ways.</summary>
public sealed class TensorMap
{
    private readonly Dictionary<TensorSlot, string> _names;

    internal TensorMap(Dictionary<string, TensorSlot> slots)
    {
        Slots = slots;
        _names = slots.ToDictionary(pair => pair.Value, pair => pair.Key);
    }

    /// <summary>The place of every used tensor, by name.</summary>
    public IReadOnlyDictionary<string, TensorSlot> Slots { get; }

    /// <summary>Finds the tensor for a place.</summary>
    /// <param name="slot">The place.</param>
    /// <param name="name">Receives the name.</param>
    /// <returns>False when the checkpoint has none, for example no head with tied embeddings, or only fused experts.</returns>
    public bool TryGetName(TensorSlot slot, [NotNullWhen(true)] out string? name) => _names.TryGetValue(slot, out name);

    /// <summary>Gives the name of the tensor for a place.</summary>
    /// <param name="slot">The place.</param>
    /// <exception cref="KeyNotFoundException">The checkpoint has no such tensor.</exception>
    public string NameOf(TensorSlot slot) =>
        TryGetName(slot, out string? name) ? name : throw new KeyNotFoundException($"The checkpoint has no tensor for {slot}.");
}
