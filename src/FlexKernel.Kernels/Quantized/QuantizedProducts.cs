using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>Products of quantised activations with quantised matrices.</summary>
/// <remarks>
/// The definition, whatever the number of rows, the tile, the thread and the instructions: for each 256 k <c>t = 0; for each block of 32 in
/// order: t = fma(Σ w·x, weight scale, t); s = fma(t, activation scale, s)</c>, with Σ w·x in exact integers.
/// </remarks>
internal static unsafe partial class QuantizedProducts
{
    /// <summary>Rows whose sums fit the scratch memory of a worker (<see cref="Products.ScratchSize"/> floats).</summary>
    private const int RowsPerPass = Products.ScratchSize / PackedMatrix.PanelRows;

    /// <summary>Bytes of the scales of 64 k of one panel.</summary>
    public const int ScaleBytes = PackedMatrix.PanelRows * sizeof(uint);
    /// <summary>Bytes of four k of one panel, as bytes or as low and high nibbles of eight.</summary>
    public const int GroupBytes = PackedMatrix.PanelRows * sizeof(int);
    private const int UnitsPerGroup = QuantizedRows.GroupColumns / Quantization.UnitColumns;

    // The weights of so many k of one panel and the sums of the rows stay in the first-level cache.
    private const int GroupsPerBlock = 2;
    private const int PrefetchBytes = 4096;
    private const int LineBytes = 64;

    /// <summary>Bytes of 64 k of one panel: scales and two blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int UnitBytes<TFormat>()
        where TFormat : struct, IQuantizedFormat => ScaleBytes + 2 * TFormat.BlockBytes;

    /// <summary>Multiplies all rows with the panels [begin, end).</summary>
    /// <inheritdoc cref="Products.Multiply{TLanes}"/>
    public static void Multiply<TLanes>(QuantizedRows x, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TLanes : struct, ILanes<TLanes>
    {
        // No vector wider than 256 bits multiplies bytes four at a time here, so the widest path takes two of those.
        if (TLanes.Count >= Lanes256.Count && AvxVnni.IsSupported)
        {
            Multiply<DotsVnni256, Lanes256>(x, matrix, begin, end, y, stride, add, scratch);
        }
        else if (TLanes.Count >= Lanes256.Count)
        {
            Multiply<Dots256, Lanes256>(x, matrix, begin, end, y, stride, add, scratch);
        }
        else if (TLanes.Count == Lanes128.Count)
        {
            Multiply<Dots128, Lanes128>(x, matrix, begin, end, y, stride, add, scratch);
        }
        else
        {
            Multiply<DotsScalar, LanesScalar>(x, matrix, begin, end, y, stride, add, scratch);
        }
    }

    private static void Multiply<TDots, TLanes>(QuantizedRows x, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
    {
        switch (matrix.Format)
        {
            case WeightFormat.Q8:
                Multiply<TDots, TLanes, Bytes8>(x, matrix, begin, end, y, stride, add, scratch);
                break;
            case WeightFormat.Q4:
                Multiply<TDots, TLanes, Nibbles4>(x, matrix, begin, end, y, stride, add, scratch);
                break;
            default:
                Multiply<TDots, TLanes, Codebook4>(x, matrix, begin, end, y, stride, add, scratch);
                break;
        }
    }

    private static void Multiply<TDots, TLanes, TFormat>(
        QuantizedRows x, PackedMatrix matrix, int begin, int end, float* y, int stride, bool add, float* scratch)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        for (int panel = begin; panel < end; panel++)
        {
            byte* weights = matrix.Pointer + panel * matrix.PanelBytes;
            float* outputs = y + (long)panel * PackedMatrix.PanelRows;
            for (int row = 0; row < x.Rows; row += RowsPerPass)
            {
                int rows = Math.Min(RowsPerPass, x.Rows - row);
                MultiplyPanel<TDots, TLanes, TFormat>(x, row, rows, weights, scratch);
                for (int i = 0; i < rows; i++)
                {
                    Finish<TLanes>(scratch + i * PackedMatrix.PanelRows, outputs + (long)(row + i) * stride, add);
                }
            }
        }
    }

    // The sums of one panel for some rows, [rows, 32], in scratch memory.
    private static void MultiplyPanel<TDots, TLanes, TFormat>(QuantizedRows x, int firstRow, int rows, byte* weights, float* sums)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        new Span<float>(sums, rows * PackedMatrix.PanelRows).Clear();
        int groups = rows == 1 ? x.Groups : GroupsPerBlock;
        for (int group = 0; group < x.Groups; group += groups)
        {
            int count = Math.Min(groups, x.Groups - group);
            byte* block = weights + (long)group * UnitsPerGroup * UnitBytes<TFormat>();
            for (int row = 0; row < rows;)
            {
                int left = rows - row, height = left >= 4 && TDots.TileRows >= 4 ? 4 : left >= 2 ? 2 : 1;
                Strip<TDots, TLanes, TFormat>(x, firstRow + row, height, group, count, block, sums + row * PackedMatrix.PanelRows);
                row += height;
            }
        }
    }

    private static void Strip<TDots, TLanes, TFormat>(QuantizedRows x, int row, int height, int group, int groups, byte* weights, float* sums)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        sbyte* values = x.Values + (long)row * x.Stride + group * QuantizedRows.GroupColumns;
        int* blockSums = x.Sums + (long)row * x.Blocks + group * (QuantizedRows.GroupColumns / Quantization.BlockColumns);
        float* scales = x.Scales + (long)row * x.Groups + group;
        int units = x.Stride / Quantization.UnitColumns - group * UnitsPerGroup;
        int step = (height == 1 ? 4 : 2) * TDots.Count;
        for (int lane = 0; lane < PackedMatrix.PanelRows; lane += step)
        {
            byte* w = weights + lane * sizeof(int);
            for (int g = 0; g < groups; g++)
            {
                int count = Math.Min(UnitsPerGroup, units - g * UnitsPerGroup);
                byte* unit = w + (long)g * UnitsPerGroup * UnitBytes<TFormat>();
                sbyte* v = values + g * QuantizedRows.GroupColumns;
                int* b = blockSums + g * (QuantizedRows.GroupColumns / Quantization.BlockColumns);
                if (height == 4)
                {
                    Tile4<TDots, TLanes, TFormat>(v, x.Stride, b, x.Blocks, scales + g, x.Groups, unit, count, sums + lane);
                }
                else if (height == 2)
                {
                    Tile2<TDots, TLanes, TFormat>(v, x.Stride, b, x.Blocks, scales + g, x.Groups, unit, count, sums + lane);
                }
                else
                {
                    Tile1<TDots, TLanes, TFormat>(v, b, scales[g], unit, count, sums + lane);
                }
            }
        }
    }

    private static void Finish<TLanes>(float* sums, float* y, bool add)
        where TLanes : struct, ILanes<TLanes>
    {
        for (int i = 0; i < PackedMatrix.PanelRows; i += TLanes.Count)
        {
            TLanes sum = TLanes.Load(sums + i);
            TLanes.Store(add ? TLanes.Load(y + i) + sum : sum, y + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* w)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(w + PrefetchBytes);
        }
    }
}
