using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>The header of one tensor of a checkpoint.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Type">The element type as safetensors writes it, for example <c>BF16</c>.</param>
/// <param name="Shape">The dimensions, outer first; empty for a scalar.</param>
public readonly record struct TensorShape(string Name, string Type, ImmutableArray<long> Shape);

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
