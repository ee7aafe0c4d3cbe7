using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>
/// Rows of activations, regrouped for the register tiles: strips of rows, in each strip k after k, in each k the strip's rows.
/// </summary>
/// <remarks>
/// The strips of n rows are as tall as the largest tile while that fits, then 6, 4, 2 and 1 rows. One row alone is read where it lies.
/// </remarks>
internal unsafe struct PackedRows
{
    public float* Data;
    public int Rows;
    public int Columns;

    /// <summary>Floats that packing <paramref name="rows"/> rows takes; <paramref name="columns"/> is rounded up to whole pairs.</summary>
    public static long Size(int rows, int columns) => (long)rows * PackedMatrix.RoundUp(columns, 2);

    /// <summary>The height of the strip that begins at <paramref name="row"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int StripRows(int row, int rows, int tileRows)
    {
        int left = rows - row;
        return left >= tileRows ? tileRows : left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    }

    /// <summary>Packs one strip.</summary>
    /// <param name="x">The first row of the source; rows are padded with zeros to whole pairs.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="index">Which source row each packed row is, or null for the rows in order.</param>
    /// <param name="begin">The strip's first packed row.</param>
    /// <param name="rows">The strip's height.</param>
    public readonly void PackStrip(float* x, int stride, int* index, int begin, int rows)
    {
        int pairedColumns = PackedMatrix.RoundUp(Columns, 2);
        float* strip = Data + (long)begin * pairedColumns;

        // Block by block: what the rows are woven into stays within the first-level cache.
        for (int first = 0; first < pairedColumns; first += PackedMatrix.BlockColumns)
        {
            int last = Math.Min(first + PackedMatrix.BlockColumns, pairedColumns);
            for (int i = 0; i < rows; i++)
            {
                float* source = x + (long)(index == null ? begin + i : index[begin + i]) * stride;
                float* destination = strip + (long)first * rows + i;
                for (int k = first; k < last; k++, destination += rows)
                {
                    *destination = source[k];
                }
            }
        }
    }
}
