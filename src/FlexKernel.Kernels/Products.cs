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

    // The part of y that a block of k revisits stays within the second-level cache.
    private const int OutputsPerChunk = 1 << 16;

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
        if (matrix.Format == WeightFormat.F32)
        {
            Multiply<TLanes, PanelFloat32>(x, matrix, begin, end, y, stride, add, scratch);
        }
        else
        {
            Multiply<TLanes, PanelBFloat16>(x, matrix, begin, end, y, stride, add, scratch);
        }
    }

    private static void Multiply<TLanes, TFormat>(PackedRows x, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int totalPairs = PackedMatrix.RoundUp(matrix.Columns, 2) / 2;
        if (x.Rows == 1)
        {
            for (int panel = begin; panel < end; panel++)
            {
                MultiplyRow<TLanes, TFormat>(x.Data, matrix.Pointer + panel * matrix.PanelBytes, y + (long)panel * PackedMatrix.PanelRows, totalPairs, add);
            }

            return;
        }

        // More than one strip reads the same weights again: widen them once. Few rows stream the weights: one panel after the other.
        bool widen = x.Rows > TLanes.TileRows && TFormat.PairBytes != PanelFloat32.PairBytes;
        int chunk = x.Rows <= TLanes.TileRows ? 1 : Math.Max(1, OutputsPerChunk / (x.Rows * PackedMatrix.PanelRows));
        for (int first = begin; first < end; first += chunk)
        {
            int last = Math.Min(first + chunk, end);
            for (int pair = 0; pair < totalPairs; pair += BlockPairs)
            {
                int pairs = Math.Min(BlockPairs, totalPairs - pair);
                bool addBlock = add || pair > 0;
                for (int panel = first; panel < last; panel++)
                {
                    byte* w = matrix.Pointer + panel * matrix.PanelBytes + (long)pair * TFormat.PairBytes;
                    float* outputs = y + (long)panel * PackedMatrix.PanelRows;
                    if (widen)
                    {
                        Widen<TLanes, TFormat>(w, pairs, scratch);
                        MultiplyBlock<TLanes, PanelFloat32>(x, (byte*)scratch, totalPairs, pair, pairs, outputs, stride, addBlock);
                    }
                    else
                    {
                        MultiplyBlock<TLanes, TFormat>(x, w, totalPairs, pair, pairs, outputs, stride, addBlock);
                    }
                }
            }
        }
    }

    // One block of k of one panel with all strips.
    private static void MultiplyBlock<TLanes, TFormat>(PackedRows x, byte* w, int totalPairs, int pair, int pairs, float* y, int stride, bool add)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        for (int row = 0; row < x.Rows;)
        {
            int rows = PackedRows.StripRows(row, x.Rows, TLanes.TileRows);
            float* a = x.Data + ((long)row * totalPairs + (long)pair * rows) * 2;
            float* outputs = y + (long)row * stride;
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane += 2 * TLanes.Count)
            {
                Tile<TLanes, TFormat>(rows, a, w + lane * sizeof(float), outputs + lane, stride, pairs, add);
            }

            row += rows;
        }
    }

    private static void Tile<TLanes, TFormat>(int rows, float* a, byte* w, float* y, long stride, int pairs, bool add)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        switch (rows)
        {
            case 12:
                Tile12<TLanes, TFormat>(a, w, y, stride, pairs, add);
                break;
            case 6:
                Tile6<TLanes, TFormat>(a, w, y, stride, pairs, add);
                break;
            case 4:
                Tile4<TLanes, TFormat>(a, w, y, stride, pairs, add);
                break;
            case 2:
                Tile2<TLanes, TFormat>(a, w, y, stride, pairs, add);
                break;
            default:
                Tile1<TLanes, TFormat>(a, w, y, stride, pairs, add);
                break;
        }
    }

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
