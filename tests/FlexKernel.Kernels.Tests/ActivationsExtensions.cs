namespace FlexKernel.Kernels.Tests;

/// <summary>Filling, copying and looking into <see cref="Activations"/>.</summary>
internal static unsafe class ActivationsExtensions
{
    /// <summary>Makes activations of the given rows, one after the other.</summary>
    public static Activations ToActivations(this float[] values, int rows, int columns)
    {
        Activations activations = new(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            values.AsSpan(row * columns, columns).CopyTo(activations.Row(row));
        }

        return activations;
    }

    /// <summary>Makes a matrix of the given rows, one after the other.</summary>
    public static PackedMatrix ToMatrix(this float[] values, int rows, int columns, WeightFormat format)
    {
        PackedMatrix matrix = new(rows, columns, format);
        for (int row = 0; row < rows; row++)
        {
            matrix.WriteRow(row, values.AsSpan(row * columns, columns));
        }

        return matrix;
    }

    /// <summary>One row with its padding.</summary>
    public static Span<float> PaddedRow(this Activations activations, int row) => new(activations.RowPointer(row), activations.Stride);

    /// <summary>The padding of one row.</summary>
    public static Span<float> Padding(this Activations activations, int row) => activations.PaddedRow(row)[activations.Columns..];

    /// <summary>Fills everything, padding included.</summary>
    public static Activations Fill(this Activations activations, float value)
    {
        new Span<float>(activations.Pointer, activations.Rows * activations.Stride).Fill(value);
        return activations;
    }

    /// <summary>A copy of the first rows, without padding.</summary>
    public static float[] ToArray(this Activations activations, int rows)
    {
        float[] values = new float[rows * activations.Columns];
        for (int row = 0; row < rows; row++)
        {
            activations.Row(row).CopyTo(values.AsSpan(row * activations.Columns));
        }

        return values;
    }
}
