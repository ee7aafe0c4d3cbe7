using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>Products of activations with packed matrices: <c>y = x Wᵀ</c>.</summary>
/// <remarks>
/// The definition every product has, whatever the number of rows, the tile, the thread and the vector width: for each block of 256 k,
/// <c>s = 0; for k ascending: s = fma(w[n, k], x[k], s)</c>; the block sums are added in order, the first to nothing.
/// </remarks>
internal static unsafe partial class Products
{
    /// <summary>Floats of scratch one worker needs: a block of one panel, widened.</summary>
    public const int ScratchSize = PackedMatrix.BlockColumns * PackedMatrix.PanelRows;

    private const int BlockPairs = PackedMatrix.BlockColumns / 2;

    // One block of k of so many rows of x, and the part of y that the blocks of k revisit, stay within the second-level cache together.
    private const int RowsPerBlock = 132;
    private const int OutputsPerChunk = 1 << 17;
    private const int FewStrips = 4;
    private const int LineBytes = 64;

    /// <summary>Multiplies all rows with the panels [begin, end).</summary>
    /// <param name="x">The rows.</param>
    /// <param name="matrix">The weights.</param>
    /// <param name="begin">First panel.</param>
    /// <param name="end">Panel after the last.</param>
    /// <param name="y">Output 0 of row 0; rows must hold whole panels.</param>
    /// <param name="stride">Floats from row to row of <paramref name="y"/>.</param>
    /// <param name="add">Whether the product is added to what stands in <paramref name="y"/>.</param>
    /// <param name="scratch"><see cref="ScratchSize"/> floats of the calling worker.</param>
    public static void Multiply<TLanes>(PackedRows x, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes>
    {
        if (matrix.Format.IsQuantized())
        {
            QuantizedProducts.Multiply<TLanes>(x.Quantized, matrix, begin, end, y, stride, add, scratch);
            return;
        }

        // Blocks of rows of about the same height.
        int blocks = Math.Max(1, (x.Rows + RowsPerBlock - 1) / RowsPerBlock);
        int height = PackedMatrix.RoundUp((x.Rows + blocks - 1) / blocks, TLanes.TileRows);
        for (int row = 0, last; row < x.Rows; row = last)
        {
            last = x.BlockEnd(row, height);
            MultiplyRows<TLanes>(x, row, last, matrix, begin, end, y, stride, add, scratch);
        }
    }

    /// <summary>Multiplies the rows [<paramref name="firstRow"/>, <paramref name="lastRow"/>) with the panels [begin, end) of a matrix of floats.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="firstRow">Where a block of strips begins.</param>
    /// <param name="lastRow">Its <see cref="PackedRows.BlockEnd"/>.</param>
    /// <param name="matrix">The weights, not quantised.</param>
    /// <param name="begin">First panel.</param>
    /// <param name="end">Panel after the last.</param>
    /// <param name="y">Output 0 of row 0; rows must hold whole panels.</param>
    /// <param name="stride">Floats from row to row of <paramref name="y"/>.</param>
    /// <param name="add">Whether the product is added to what stands in <paramref name="y"/>.</param>
    /// <param name="scratch"><see cref="ScratchSize"/> floats of the calling worker.</param>
    public static void MultiplyRows<TLanes>(
        PackedRows x, int firstRow, int lastRow, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes> =>
        MultiplyRows<TLanes>(x, firstRow, lastRow, matrix, begin, end, 0, y, stride, add, scratch);

    /// <summary>The sums of one block of 256 k: what is added up in order, block after block, is the product.</summary>
    /// <param name="x">The rows' values of these k.</param>
    /// <param name="matrix">The weights, not quantised.</param>
    /// <param name="block">Which block.</param>
    /// <param name="y">Output 0 of row 0; rows must hold whole panels.</param>
    /// <param name="stride">Floats from row to row of <paramref name="y"/>.</param>
    /// <param name="scratch"><see cref="ScratchSize"/> floats of the calling worker.</param>
    public static void MultiplyBlock<TLanes>(PackedRows x, PackedMatrix matrix, int block, float* y, int stride, float* scratch)
        where TLanes : struct, ILanes<TLanes> =>
        MultiplyRows<TLanes>(x, 0, x.Rows, matrix, 0, matrix.PanelCount, block * BlockPairs, y, stride, add: false, scratch);

    /// <summary>Multiplies all rows with panels of floats over some of their k; blocks of 256 count from the panels' first k all the same.</summary>
    /// <param name="x">The rows: as many columns as k are multiplied.</param>
    /// <param name="panels">The first panel.</param>
    /// <param name="panelFloats">Floats from panel to panel.</param>
    /// <param name="begin">First panel multiplied.</param>
    /// <param name="end">Panel after the last.</param>
    /// <param name="firstColumn">The first k; even.</param>
    /// <param name="y">Output 0 of row 0, of panel 0; rows must hold whole panels.</param>
    /// <param name="stride">Floats from row to row of <paramref name="y"/>.</param>
    /// <param name="add">Whether the product is added to what stands in <paramref name="y"/>.</param>
    public static void MultiplyFloats<TLanes>(
        PackedRows x, float* panels, long panelFloats, int begin, int end, int firstColumn, float* y, int stride, bool add)
        where TLanes : struct, ILanes<TLanes>
    {
        int totalPairs = PackedMatrix.RoundUp(x.Columns, 2) / 2, firstPair = firstColumn / 2;
        for (int panel = begin; panel < end; panel++)
        {
            for (int pair = 0, pairs; pair < totalPairs; pair += pairs)
            {
                pairs = Math.Min(BlockPairs - (firstPair + pair) % BlockPairs, totalPairs - pair);
                byte* w = (byte*)(panels + panel * panelFloats) + (long)(firstPair + pair) * PanelFloat32.PairBytes;
                MultiplyBlock<TLanes, PanelFloat32>(
                    x, 0, x.Rows, w, totalPairs, pair, pairs, y + (long)panel * PackedMatrix.PanelRows, stride, add || pair > 0, w, 0);
            }
        }
    }

    // The rows [firstRow, lastRow) with as many k of the panels [begin, end) as x has, from a block's first on.
    private static void MultiplyRows<TLanes>(
        PackedRows x, int firstRow, int lastRow, PackedMatrix matrix, int begin, int end, int firstPair, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes>
    {
        if (matrix.Format == WeightFormat.F32)
        {
            MultiplyRows<TLanes, PanelFloat32>(x, firstRow, lastRow, matrix, begin, end, firstPair, y, stride, add, scratch);
        }
        else
        {
            MultiplyRows<TLanes, PanelBFloat16>(x, firstRow, lastRow, matrix, begin, end, firstPair, y, stride, add, scratch);
        }
    }

    private static void MultiplyRows<TLanes, TFormat>(
        PackedRows x, int firstRow, int lastRow, PackedMatrix matrix, int begin, int end, int firstPair, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int totalPairs = PackedMatrix.RoundUp(x.Columns, 2) / 2;
        byte* panels = matrix.Pointer + (long)firstPair * TFormat.PairBytes;
        if (x.Rows == 1)
        {
            for (int panel = begin; panel < end; panel++)
            {
                MultiplyRow<TLanes, TFormat>(x.Data, panels + panel * matrix.PanelBytes, y + (long)panel * PackedMatrix.PanelRows, totalPairs, add);
            }

            return;
        }

        // Few strips take the weights as they lie, one block after the other. Many read the same weights again and again: panels are taken in
        // chunks that share a block of rows, and with 16 registers, which the widening would overflow, weights are widened once.
        bool few = x.Rows <= FewStrips * TLanes.TileRows;
        bool widen = !few && TFormat.PairBytes != PanelFloat32.PairBytes && TLanes.Count < Lanes512.Count;
        int chunk = few ? 1 : Math.Max(1, OutputsPerChunk / ((lastRow - firstRow) * PackedMatrix.PanelRows));
        for (int first = begin; first < end; first += chunk)
        {
            int last = Math.Min(first + chunk, end);
            for (int pair = 0; pair < totalPairs; pair += BlockPairs)
            {
                int pairs = Math.Min(BlockPairs, totalPairs - pair);
                int bytes = pairs * TFormat.PairBytes;
                bool addBlock = add || pair > 0;
                for (int panel = first; panel < last; panel++)
                {
                    byte* w = panels + panel * matrix.PanelBytes + (long)pair * TFormat.PairBytes;
                    byte* next = few ? w + bytes : w + matrix.PanelBytes;
                    float* outputs = y + (long)panel * PackedMatrix.PanelRows;
                    if (widen)
                    {
                        Widen<TLanes, TFormat>(w, pairs, scratch);
                        MultiplyBlock<TLanes, PanelFloat32>(
                            x, firstRow, lastRow, (byte*)scratch, totalPairs, pair, pairs, outputs, stride, addBlock, next, bytes);
                    }
                    else
                    {
                        MultiplyBlock<TLanes, TFormat>(x, firstRow, lastRow, w, totalPairs, pair, pairs, outputs, stride, addBlock, next, bytes);
                    }
                }
            }
        }
    }

    // One block of k of one panel with all strips. The first of them fetch the weights that come next.
    private static void MultiplyBlock<TLanes, TFormat>(
        PackedRows x, int firstRow, int lastRow, byte* w, int totalPairs, int pair, int pairs, float* y, int stride, bool add, byte* next, int nextBytes)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        byte* nextEnd = next + nextBytes;
        for (int row = firstRow; row < lastRow;)
        {
            int rows = PackedRows.StripRows(row, x.Rows, TLanes.TileRows);
            float* a = x.Data + ((long)row * totalPairs + (long)pair * rows) * 2;
            float* outputs = y + (long)row * stride;
            if (add && Sse.IsSupported)
            {
                for (int i = 0; i < rows; i++)
                {
                    Sse.Prefetch0(outputs + (long)i * stride);
                    Sse.Prefetch0(outputs + (long)i * stride + LineBytes / sizeof(float));
                }
            }

            int step = TileVectors<TLanes>(rows) * TLanes.Count;
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane += step)
            {
                byte* fetch = next < nextEnd ? next : w;
                Tile<TLanes, TFormat>(rows, a, w + lane * sizeof(float), outputs + lane, stride, pairs, add, fetch);
                next += pairs * FetchBytes<TFormat>(step);
            }

            row += rows;
        }
    }

    private static void Tile<TLanes, TFormat>(int rows, float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        switch (rows)
        {
            case 12:
                Tile12<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            case 8:
                Tile8<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            case 6:
                Tile6<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            case 4:
                Tile4<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            case 2 when TileVectors<TLanes>(2) == 4:
                Tile2x4<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            case 2:
                Tile2<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
            default:
                Tile1<TLanes, TFormat>(a, w, y, stride, pairs, add, next);
                break;
        }
    }

    // Two rows of two vectors are four chains, half of what the multiply-add units need; at 512 bits a panel has no more.
    private static int TileVectors<TLanes>(int rows)
        where TLanes : struct, ILanes<TLanes> => rows == 2 && TLanes.Count < Lanes512.Count ? 4 : 2;

    private static void Widen<TLanes, TFormat>(byte* w, int pairs, float* destination)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        for (int pair = 0; pair < pairs; pair++, w += TFormat.PairBytes)
        {
            Prefetch<TFormat>(w);
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane += TLanes.Count, destination += TLanes.Count)
            {
                TLanes.Store(TFormat.LoadEven<TLanes>(w + lane * sizeof(float)), destination);
                TLanes.Store(TFormat.LoadOdd<TLanes>(w + lane * sizeof(float)), destination + PackedMatrix.PanelRows);
            }

            destination += PackedMatrix.PanelRows;
        }
    }
}
