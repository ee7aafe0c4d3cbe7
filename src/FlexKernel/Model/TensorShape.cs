using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Packing;

namespace FlexKernel.Model;

/// <summary>The header of one tensor of a checkpoint.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Type">The element type as safetensors writes it, for example <c>BF16</c>; of packed weights their format.</param>
/// <param name="Shape">The dimensions, outer first; empty for a scalar.</param>
public readonly record struct TensorShape(string Name, string Type, ImmutableArray<long> Shape)
{
    /// <summary>The bytes stored, padding of packed weights included; null: those of type and shape.</summary>
    public long? StoredBytes { get; init; }

    /// <summary>The shapes of all tensors of a checkpoint; packed ones have the dimensions of their matrix and their format as type.</summary>
    /// <exception cref="CheckpointException">Packed weights have an unknown layout or are not of the size they should be.</exception>
    public static TensorShape[] Of(WeightFiles files) => Of(files, PackedCatalogue.Of(files));

    internal static TensorShape[] Of(WeightFiles files, PackedCatalogue packed) =>
        [.. files.Tensors.Select(t => packed.Tensors.TryGetValue(t.Entry.Name, out PackedTensor tensor)
            ? new TensorShape(t.Entry.Name, tensor.TypeName, tensor.Shape) { StoredBytes = t.Entry.ByteCount }
            : new TensorShape(t.Entry.Name, t.Entry.Type.FormatName(), t.Entry.Shape))];
}

/// <summary>A tensor that a model needs.</summary>
/// <param name="Name">The name a checkpoint must use.</param>
/// <param name="Shape">The dimensions, outer first.</param>
/// <param name="Slot">Its place in the model.</param>
public readonly record struct ExpectedTensor(string Name, ImmutableArray<long> Shape, TensorSlot Slot)
{
    /// <summary>The number of elements.</summary>
    public long ElementCount
    {
        get
        {
            long count = 1;
            foreach (long dimension in Shape)
            {
                count = checked(count * dimension);
            }

            return count;
        }
    }
}
