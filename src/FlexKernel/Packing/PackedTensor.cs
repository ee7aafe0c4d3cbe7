using System.Collections.Immutable;
using System.Globalization;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Packing;

/// <summary>A matrix in a file of packed weights.</summary>
/// <param name="Format">How its panels are laid out.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Columns">Inputs.</param>
/// <param name="Class">What it is, for whoever reads the header.</param>
/// <param name="Scale">What its values were multiplied by before they were packed.</param>
internal readonly record struct PackedTensor(WeightFormat Format, int Rows, int Columns, TensorClass Class, float Scale)
{
    // Padding must not leave 32 bits.
    private const int LargestDimension = int.MaxValue - 64;

    /// <summary>Gets the type that reports give, as <see cref="TensorShape.Type"/>.</summary>
    public string TypeName => Format.ToString();

    /// <summary>Gets the panels.</summary>
    public int Panels => (Rows + PackedMatrix.PanelRows - 1) / PackedMatrix.PanelRows;

    /// <summary>Gets what the file stores: bytes [panels, bytes of a panel].</summary>
    public ImmutableArray<long> StoredShape => [Panels, Format.PanelBytes(Columns)];

    /// <summary>Gets the dimensions of the matrix.</summary>
    public ImmutableArray<long> Shape => [Rows, Columns];

    /// <summary>Writes it for a header: <c>Q4C 11008 4096 FeedForward 1</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Format} {Rows} {Columns} {Class} {Scale:R}");

    /// <summary>Reads what <see cref="ToString"/> wrote, and checks that the bytes are there.</summary>
    /// <param name="text">The text.</param>
    /// <param name="entry">The tensor.</param>
    /// <param name="file">The name errors give.</param>
    /// <exception cref="CheckpointException">The text is malformed, or the tensor has another size.</exception>
    public static PackedTensor Parse(string text, TensorEntry entry, string file)
    {
        string[] parts = text.Split(' ');
        if (parts.Length != 5
            || !IsName(parts[0], out WeightFormat format)
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int rows)
            || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int columns)
            || !IsName(parts[3], out TensorClass tensorClass)
            || !float.TryParse(parts[4], NumberStyles.Float, CultureInfo.InvariantCulture, out float scale)
            || rows is < 1 or > LargestDimension || columns is < 1 or > LargestDimension)
        {
            throw new CheckpointException(
                CheckpointError.PackedTensorInvalid, file, "format, rows, columns, class and scale", CheckpointException.Quote(text), entry.Name);
        }

        PackedTensor tensor = new(format, rows, columns, tensorClass, scale);
        return entry.Type == TensorType.U8 && entry.Shape.AsSpan().SequenceEqual(tensor.StoredShape.AsSpan())
            ? tensor
            : throw new CheckpointException(
                CheckpointError.PackedTensorInvalid,
                file,
                $"U8 {TensorEntry.ShapeText<long>(tensor.StoredShape.AsSpan())}, the panels of {format} [{rows}, {columns}]",
                $"{entry.Type.FormatName()} {TensorEntry.ShapeText<long>(entry.Shape.AsSpan())}",
                entry.Name);
    }

    // Enum.TryParse takes numbers too.
    private static bool IsName<T>(string text, out T value)
        where T : struct, Enum => Enum.TryParse(text, out value) && Enum.IsDefined(value) && value.ToString() == text;
}
