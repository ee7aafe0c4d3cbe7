using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace FlexKernel.Checkpoints;

/// <summary>A tensor as a header states it, before anything but its syntax was checked.</summary>
internal readonly struct DeclaredTensor(string name, TensorType type, long[] shapeBits, ulong begin, ulong end)
{
    /// <summary>Gets the name.</summary>
    public string Name { get; } = name;

    /// <summary>Gets the element type.</summary>
    public TensorType Type { get; } = type;

    /// <summary>Gets the stated first byte.</summary>
    public ulong Begin { get; } = begin;

    /// <summary>Gets the stated end.</summary>
    public ulong End { get; } = end;

    // One array serves the unsigned dimensions of the file and the signed ones of TensorEntry: a hostile header can state 50 million.
    /// <summary>Gets the dimensions.</summary>
    public ReadOnlySpan<ulong> Shape => MemoryMarshal.Cast<long, ulong>(shapeBits);

    /// <summary>Turns the dimensions into signed ones, above 2^63 - 1 into that; the declaration is spent afterwards.</summary>
    public ImmutableArray<long> SignedShape()
    {
        foreach (ref long dimension in shapeBits.AsSpan())
        {
            dimension = dimension < 0 ? long.MaxValue : dimension;
        }

        return ImmutableCollectionsMarshal.AsImmutableArray(shapeBits);
    }

    /// <summary>Describes type and shape.</summary>
    public override string ToString() => $"{Type.FormatName()} {TensorEntry.ShapeText(Shape)}";
}
