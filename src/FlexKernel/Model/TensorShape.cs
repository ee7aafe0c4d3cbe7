using System.Collections.Immutable;
using FlexKernel.Checkpoints;

namespace FlexKernel.Model;

/// <summary>The header of one tensor of a checkpoint.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Type">The element type as safetensors writes it, for example <c>BF16</c>.</param>
/// <param name="Shape">The dimensions, outer first; empty for a scalar.</param>
public readonly record struct TensorShape(string Name, string Type, ImmutableArray<long> Shape)
{
    /// <summary>The shapes of all tensors of a checkpoint.</summary>
    public static TensorShape[] Of(WeightFiles files) =>
        [.. files.Tensors.Select(t => new TensorShape(t.Entry.Name, t.Entry.Type.FormatName(), t.Entry.Shape))];
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
