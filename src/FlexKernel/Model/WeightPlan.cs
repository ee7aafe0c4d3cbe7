using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>A packed matrix to be made.</summary>
/// <param name="Slot">Its place in the model.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Columns">Inputs.</param>
/// <param name="Format">How it is kept.</param>
internal readonly record struct PlannedMatrix(TensorSlot Slot, int Rows, int Columns, WeightFormat Format);

/// <summary>What becomes of a stored tensor of two or three dimensions.</summary>
/// <param name="Matrices">The matrices it holds on top of each other.</param>
/// <param name="Type">The stored type.</param>
/// <param name="Columns">Stored values per row.</param>
/// <param name="Scale">Multiplies every value.</param>
/// <param name="Parts">The bytes the matrices come from; null: all from the first on.</param>
internal sealed record PlannedTensor(
    PlannedMatrix[] Matrices, StoredType Type, int Columns, float Scale = 1f, IReadOnlyList<TensorPart>? Parts = null);

/// <summary>Decides which packed matrices stored tensors become, in which formats: the same at load and for a packed file.</summary>
/// <param name="stored">The model as stored.</param>
/// <param name="options">What is asked for.</param>
/// <param name="held">The experts that are needed.</param>
internal sealed class WeightPlan(ModelDescription stored, LoadOptions options, HeldExperts held)
{
    /// <summary>The type of a stored tensor.</summary>
    public static StoredType TypeOf(TensorEntry entry) => entry.Type switch
    {
        TensorType.BF16 => StoredType.BF16,
        TensorType.F16 => StoredType.F16,
        _ => StoredType.F32,
    };

    /// <summary>True when the tensor is needed, wholly or in part.</summary>
    public bool IsHeld(TensorSlot slot) => slot.Expert < 0 || held.IsHeld(slot.Expert);

    /// <summary>A low-rank expert's rank as kept.</summary>
    public int Cut(int rank) => Math.Min(rank, options.MaxRank ?? rank);

    /// <summary>The experts that are needed, ascending.</summary>
    public int[] HeldExperts => Experts(held.IsHeld);

    /// <summary>The experts that the router may see, ascending.</summary>
    public int[] AvailableExperts => Experts(held.IsAvailable);

    /// <summary>The format that is asked for a tensor; null: what rounds nothing.</summary>
    public WeightFormat? AskedFormat(TensorSlot slot)
    {
        // A scale that is not a power of two would round the weights once more: such factors stay float32.
        WeightFormat? asked = options.Formats.Of(WeightFormats.ClassOf(slot.Role), options.Weights);
        return IsPowerOfTwo(Scale(slot)) ? asked : WeightFormat.F32;
    }

    /// <summary>Decides about one tensor.</summary>
    /// <param name="entry">A tensor of at least two dimensions.</param>
    /// <param name="slot">Its place.</param>
    public PlannedTensor Plan(TensorEntry entry, TensorSlot slot)
    {
        StoredType type = TypeOf(entry);
        WeightFormat format = AskedFormat(slot) ?? (type == StoredType.BF16 ? WeightFormat.BF16 : WeightFormat.F32);
        int columns = (int)entry.Shape[^1];
        if (slot.Role is TensorRole.FusedGateUp or TensorRole.FusedDown)
        {
            long expertBytes = entry.ByteCount / entry.Shape[0];
            TensorPart[] parts = [.. HeldExperts.Select(e => new TensorPart(e * expertBytes, (e + 1) * expertBytes))];
            return new PlannedTensor(Fused(slot, (int)entry.Shape[1], columns, format), type, columns, Parts: parts);
        }

        int rows = (int)entry.Shape[0];
        switch (slot.Role)
        {
            case TensorRole.GateA or TensorRole.UpA or TensorRole.DownA:
                return new PlannedTensor([new PlannedMatrix(slot, Cut(rows), columns, format)], type, columns);
            case TensorRole.GateB or TensorRole.UpB or TensorRole.DownB:
                return new PlannedTensor([new PlannedMatrix(slot, rows, Cut(columns), format)], type, columns, Scale(slot));
            default:
                return new PlannedTensor([new PlannedMatrix(slot, rows, columns, format)], type, columns);
        }
    }

    /// <summary>What multiplies a matrix when it is packed: the scale of its expert, for an outer factor.</summary>
    public float Scale(TensorSlot slot) => slot.Role is TensorRole.GateB or TensorRole.UpB or TensorRole.DownB
        ? stored.Mixture!.Experts[slot.Expert].Scale
        : 1f;

    private static bool IsPowerOfTwo(float value) => float.IsNormal(value) && (BitConverter.SingleToUInt32Bits(value) & 0x7FFFFF) == 0;

    private int[] Experts(Func<int, bool> condition) => [.. Enumerable.Range(0, stored.Mixture!.Count).Where(condition)];

    private PlannedMatrix[] Fused(TensorSlot slot, int rowsPerExpert, int columns, WeightFormat format)
    {
        TensorRole[] roles = slot.Role == TensorRole.FusedDown ? [TensorRole.Down] : [TensorRole.Gate, TensorRole.Up];
        return [.. HeldExperts.SelectMany(expert => roles.Select(
            role => new PlannedMatrix(new TensorSlot(role, slot.Layer, expert), rowsPerExpert / roles.Length, columns, format)))];
    }
}
