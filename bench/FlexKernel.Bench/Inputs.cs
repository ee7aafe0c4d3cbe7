using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>Matrices and activations of random numbers.</summary>
internal static class Inputs
{
    public static Activations Rows(int rows, int columns)
    {
        Random random = new(columns);
        Activations activations = new(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in activations.Row(row))
            {
                value = random.NextSingle() * 2 - 1;
            }
        }

        return activations;
    }

    public static PackedMatrix Matrix(int rows, int columns, WeightFormat format)
    {
        Random random = new(rows);
        PackedMatrix matrix = new(rows, columns, format);
        float[] values = new float[columns];
        float scale = 1 / MathF.Sqrt(columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in values.AsSpan())
            {
                value = (random.NextSingle() * 2 - 1) * scale;
            }

            matrix.WriteRow(row, values);
        }

        return matrix;
    }
}
