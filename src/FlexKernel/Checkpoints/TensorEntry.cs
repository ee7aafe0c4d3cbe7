using System.Collections.Immutable;

namespace FlexKernel.Checkpoints;

/// <summary>One tensor of a safetensors file: what it is and where it lies. Its values are validated against the file.</summary>
public sealed class TensorEntry
{
    private const int MaxDimensionsShown = 8;

    internal TensorEntry(string name, TensorType type, ImmutableArray<long> shape, long elementCount, long begin, long end)
    {
        Name = name;
        Type = type;
        Shape = shape;
        ElementCount = elementCount;
        Begin = begin;
        End = end;
    }

    /// <summary>Gets the name, unique in its file: any text, never to be used as a path.</summary>
    public string Name { get; }

    /// <summary>Gets the element type.</summary>
    public TensorType Type { get; }

    /// <summary>Gets the dimensions, outer first; empty for a single value.</summary>
    /// <remarks>A dimension above 2^63 - 1, which only a tensor without elements can have, reads as 2^63 - 1.</remarks>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Gets the product of the dimensions.</summary>
    public long ElementCount { get; }

    /// <summary>Gets the offset of the first byte in the data section.</summary>
    public long Begin { get; }

    /// <summary>Gets the offset behind the last byte in the data section.</summary>
    public long End { get; }

    /// <summary>Gets the size in bytes.</summary>
    public long ByteCount => End - Begin;

    /// <summary>Describes the tensor, for example <c>"lm_head.weight" BF16 [100352, 4096]</c>.</summary>
    public override string ToString() => $"{CheckpointException.Quote(Name)} {Type.FormatName()} {ShapeText<long>(Shape.AsSpan())}";

    internal static string ShapeText<T>(ReadOnlySpan<T> shape)
    {
        string first = string.Join(", ", shape[..Math.Min(shape.Length, MaxDimensionsShown)].ToArray());
        return shape.Length <= MaxDimensionsShown ? $"[{first}]" : $"[{first}, ... {shape.Length} dimensions]";
    }
}
