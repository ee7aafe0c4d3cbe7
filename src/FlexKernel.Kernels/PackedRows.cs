using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>
/// Rows of activations, regrouped for the register tiles: strips of rows, in each strip k after k, in each k the strip's rows.
/// </summary>
/// <remarks>
/// The strips of n rows are as tall as the largest tile while that fits, then 8, 6, 4, 2 and 1 rows; where a tile is 12 rows, the last rows are
/// shared out rather than leaving two, which wait for themselves. One row alone is read where it lies.
/// </remarks>
internal unsafe struct PackedRows
{
    private const int TransposedColumns = 32;

    public float* Data;
    public int Rows;
    public int Columns;

    /// <summary>The same rows quantised, if a quantised matrix reads them.</summary>
    public QuantizedRows Quantized;

    /// <summary>Floats that packing <paramref name="rows"/> rows takes; <paramref name="columns"/> is rounded up to whole pairs.</summary>
    public static long Size(int rows, int columns) => (long)rows * PackedMatrix.RoundUp(columns, 2);

    /// <summary>The height of the strip that begins at <paramref name="row"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int StripRows(int row, int rows, int tileRows)
    {
        int left = rows - row;
        if (left == tileRows + 2 && tileRows > 8)
        {
            return 8;
        }

        return left >= tileRows ? tileRows : left >= 8 ? 8 : left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    }

    /// <summary>Where a block of strips of about <paramref name="height"/> rows, whole tiles, ends that begins at <paramref name="row"/>.</summary>
    /// <remarks>The last two rows are in a strip with others: see <see cref="StripRows"/>.</remarks>
    public readonly int BlockEnd(int row, int height) => row + height >= Rows - 2 ? Rows : row + height;

    /// <summary>A worker's share of the strips: every so many, from its own number on.</summary>
    /// <param name="tileRows">Rows of the largest tile.</param>
    /// <param name="worker">Which worker.</param>
    /// <param name="workers">How many there are.</param>
    public readonly StripShare Strips(int tileRows, int worker, int workers) => new(Rows, tileRows, worker, workers);

    /// <summary>Packs one strip.</summary>
    /// <param name="x">The first row of the source; rows are padded with zeros to whole pairs.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="index">Which source row each packed row is, or null for the rows in order.</param>
    /// <param name="begin">The strip's first packed row.</param>
    /// <param name="rows">The strip's height.</param>
    public readonly void PackStrip<TLanes>(float* x, int stride, int* index, int begin, int rows)
        where TLanes : struct, ILanes<TLanes>
    {
        int pairedColumns = PackedMatrix.RoundUp(Columns, 2);
        float* strip = Data + (long)begin * pairedColumns;
        int row = 0;
        if (TLanes.Count >= 4 && Sse.IsSupported)
        {
            for (; row + 4 <= rows; row += 4)
            {
                PackFour(Source(row), Source(row + 1), Source(row + 2), Source(row + 3), pairedColumns, strip + row, rows);
            }

            for (; row + 2 <= rows; row += 2)
            {
                PackTwo(Source(row), Source(row + 1), pairedColumns, strip + row, rows);
            }
        }

        for (; row < rows; row++)
        {
            PackOne(Source(row), 0, pairedColumns, strip + row, rows);
        }

        float* Source(int i) => x + (long)(index == null ? begin + i : index[begin + i]) * stride;
    }

    /// <summary>Packs strips of the transpose of a matrix: packed row n is column n of the source.</summary>
    /// <param name="x">[<see cref="Columns"/>, <see cref="Rows"/>]; row k holds value k of every packed row.</param>
    /// <param name="stride">Floats from row to row of <paramref name="x"/>.</param>
    /// <param name="begin">Strips that begin before this row are left out.</param>
    /// <param name="end">Strips that begin at this row or after it are left out.</param>
    /// <remarks>Some rows of the source at a time: what strips next to each other read lies in the same lines.</remarks>
    public readonly void PackTransposed<TLanes>(float* x, long stride, int begin, int end)
        where TLanes : struct, ILanes<TLanes>
    {
        int pairedColumns = PackedMatrix.RoundUp(Columns, 2);
        for (int k = 0; k < Columns; k += TransposedColumns)
        {
            int count = Math.Min(TransposedColumns, Columns - k);
            for (int row = 0, rows; row < end; row += rows)
            {
                rows = StripRows(row, Rows, TLanes.TileRows);
                if (row >= begin)
                {
                    float* strip = Data + (long)row * pairedColumns + (long)k * rows;
                    CopyRuns(x + k * stride + row, stride, strip, rows, count);
                    new Span<float>(strip + count * rows, k + count == Columns ? (pairedColumns - Columns) * rows : 0).Clear();
                }
            }
        }
    }

    private static void CopyRuns(float* source, long stride, float* destination, int length, int count)
    {
        if (length == 12)
        {
            for (; count > 0; count--, source += stride, destination += 12)
            {
                Vector128.Load(source).Store(destination);
                Vector128.Load(source + 4).Store(destination + 4);
                Vector128.Load(source + 8).Store(destination + 8);
            }
        }
        else if (length == 6)
        {
            for (; count > 0; count--, source += stride, destination += 6)
            {
                Vector128.Load(source).Store(destination);
                *(long*)(destination + 4) = *(long*)(source + 4);
            }
        }
        else
        {
            for (; count > 0; count--, source += stride, destination += length)
            {
                new ReadOnlySpan<float>(source, length).CopyTo(new Span<float>(destination, length));
            }
        }
    }

    private static void PackOne(float* a, int first, int columns, float* destination, int rows)
    {
        for (int k = first; k < columns; k++)
        {
            destination[(long)k * rows] = a[k];
        }
    }

    // Two values a row at a time are interleaved in registers: stores of whole pairs.
    private static void PackTwo(float* a, float* b, int columns, float* destination, int rows)
    {
        int k = 0;
        for (; k + 4 <= columns; k += 4)
        {
            Vector128<float> va = Vector128.Load(a + k), vb = Vector128.Load(b + k);
            Vector128<float> low = Sse.UnpackLow(va, vb), high = Sse.UnpackHigh(va, vb);
            float* to = destination + (long)k * rows;
            Sse.StoreLow(to, low);
            Sse.StoreHigh(to + rows, low);
            Sse.StoreLow(to + 2 * rows, high);
            Sse.StoreHigh(to + 3 * rows, high);
        }

        PackOne(a, k, columns, destination, rows);
        PackOne(b, k, columns, destination + 1, rows);
    }

    // A block of 4 x 4 is transposed in registers: stores of four rows' values.
    private static void PackFour(float* a, float* b, float* c, float* d, int columns, float* destination, int rows)
    {
        int k = 0;
        for (; k + 4 <= columns; k += 4)
        {
            Vector128<float> va = Vector128.Load(a + k), vb = Vector128.Load(b + k), vc = Vector128.Load(c + k), vd = Vector128.Load(d + k);
            Vector128<float> lowAb = Sse.UnpackLow(va, vb), lowCd = Sse.UnpackLow(vc, vd);
            Vector128<float> highAb = Sse.UnpackHigh(va, vb), highCd = Sse.UnpackHigh(vc, vd);
            float* to = destination + (long)k * rows;
            Sse.MoveLowToHigh(lowAb, lowCd).Store(to);
            Sse.MoveHighToLow(lowCd, lowAb).Store(to + rows);
            Sse.MoveLowToHigh(highAb, highCd).Store(to + 2 * rows);
            Sse.MoveHighToLow(highCd, highAb).Store(to + 3 * rows);
        }

        PackOne(a, k, columns, destination, rows);
        PackOne(b, k, columns, destination + 1, rows);
        PackOne(c, k, columns, destination + 2, rows);
        PackOne(d, k, columns, destination + 3, rows);
    }

    /// <summary>First row and height of strip after strip.</summary>
    public struct StripShare(int rows, int tileRows, int worker, int workers)
    {
        private int _strip = -1;

        public (int Begin, int Rows) Current { get; private set; }

        public readonly StripShare GetEnumerator() => this;

        public bool MoveNext()
        {
            do
            {
                int begin = Current.Begin + Current.Rows;
                if (begin == rows)
                {
                    return false;
                }

                Current = (begin, StripRows(begin, rows, tileRows));
                _strip++;
            }
            while (_strip % workers != worker);
            return true;
        }
    }
}
