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
    /// <summary>Bytes of the scales of 64 k of one panel.</summary>
    public const int ScaleBytes = PackedMatrix.PanelRows * sizeof(uint);
    /// <summary>Bytes of four k of one panel, as bytes or as low and high nibbles of eight.</summary>
    public const int GroupBytes = PackedMatrix.PanelRows * sizeof(int);
    private const int StepsPerBlock = 4;
    private const int UnitsPerGroup = QuantizedRows.GroupColumns / Quantization.UnitColumns;

    // So few rows wait for the weights, not for the arithmetic.
    private const int StreamRows = 12;
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
        if (TLanes.Count == Lanes512.Count && Avx512BW.IsSupported)
        {
            // Bytes need 32 bits a sum; there is no instruction of 512 bits for that here, so two of 256 do it where they exist.
            if (AvxVnni.IsSupported && matrix.Format == WeightFormat.Q8)
            {
                Multiply<DotsVnni512, Lanes512, Bytes8>(x, matrix, begin, end, y, stride, add, scratch);
            }
            else
            {
                Multiply<Dots512, Lanes512>(x, matrix, begin, end, y, stride, add, scratch);
            }
        }
        else if (TLanes.Count >= Lanes256.Count && AvxVnni.IsSupported)
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
        int units = x.Stride / Quantization.UnitColumns;
        bool stream = x.Rows <= StreamRows;
        for (int panel = begin; panel < end; panel++)
        {
            byte* weights = matrix.Pointer + panel * matrix.PanelBytes;
            byte* next = stream || panel + 1 == end ? null : weights + matrix.PanelBytes;
            float* outputs = y + (long)panel * PackedMatrix.PanelRows;
            for (int row = 0; row < x.Rows;)
            {
                int height = PackedRows.StripRows(row, x.Rows, TDots.TileRows);
                new Span<float>(scratch, height * PackedMatrix.PanelRows).Clear();
                Strip<TDots, TLanes, TFormat>(x, row, height, weights, units, stream, panel + 1 < end, ref next, scratch);
                for (int i = 0; i < height; i++)
                {
                    Finish<TLanes>(scratch + i * PackedMatrix.PanelRows, outputs + (long)(row + i) * stride, add);
                }

                row += height;
            }
        }
    }

    // The sums of one panel for the rows of one strip, [height, 32].
    private static void Strip<TDots, TLanes, TFormat>(
        QuantizedRows x, int row, int height, byte* weights, int units, bool stream, bool more, ref byte* next, float* sums)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        sbyte* values = x.Values + (long)row * x.Stride;
        int* blockSums = x.Sums + (long)row * x.Blocks;
        float* scales = x.Scales + (long)row * x.Groups;
        bool wide = height == 1 && TDots.Count <= PackedMatrix.PanelRows / 4;
        int step = (wide ? 4 : height >= 4 ? TDots.TileVectors : 2) * TDots.Count;
        bool isLast = more && height == TDots.TileRows && row + height == x.Rows;
        long panelBytes = (long)units * UnitBytes<TFormat>();
        for (int lane = 0; lane < PackedMatrix.PanelRows; lane += step)
        {
            byte* unit = weights + lane * sizeof(int);

            // Of few rows the first fetch the panel as they read it, and the last all of the next one while they compute; of many rows each some lines of it.
            bool fetches = stream && lane == 0 && (row == 0 || isLast);
            Fetch fetch = new() { Line = fetches ? null : next == null ? unit : next, Ahead = row == 0 ? PrefetchBytes : panelBytes };
            switch (height)
            {
                case 6:
                    Tile6<TDots, TLanes, TFormat>(values, x.Stride, blockSums, x.Blocks, scales, x.Groups, unit, units, fetch, sums + lane);
                    break;
                case 4 when TDots.TileVectors == 2:
                    Tile4x2<TDots, TLanes, TFormat>(values, x.Stride, blockSums, x.Blocks, scales, x.Groups, unit, units, fetch, sums + lane);
                    break;
                case 4:
                    Tile4<TDots, TLanes, TFormat>(values, x.Stride, blockSums, x.Blocks, scales, x.Groups, unit, units, fetch, sums + lane);
                    break;
                case 2:
                    Tile2<TDots, TLanes, TFormat>(values, x.Stride, blockSums, x.Blocks, scales, x.Groups, unit, units, fetch, sums + lane);
                    break;
                default:
                    if (wide)
                    {
                        Row4<TDots, TLanes, TFormat>(values, blockSums, scales, unit, units, sums + lane);
                    }
                    else
                    {
                        Row2<TDots, TLanes, TFormat>(values, blockSums, scales, unit, units, sums + lane);
                    }

                    break;
            }

            if (next != null)
            {
                next += (long)units * LineBytes;
                next = next < weights + 2L * units * UnitBytes<TFormat>() ? next : null;
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

    // All lines of a unit further on, or one line of the panel that comes next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchUnit<TFormat>(byte* unit, ref Fetch fetch)
        where TFormat : struct, IQuantizedFormat
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        if (fetch.Line != null)
        {
            Sse.Prefetch1(fetch.Line);
            fetch.Line += LineBytes;
            return;
        }

        for (byte* line = unit + fetch.Ahead, end = line + UnitBytes<TFormat>(); line < end; line += LineBytes)
        {
            Sse.Prefetch0(line);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchStep<TFormat>(byte* w)
        where TFormat : struct, IQuantizedFormat
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(w + PrefetchBytes);
            Sse.Prefetch0(w + PrefetchBytes + LineBytes);
            if (TFormat.StepBytes > 2 * LineBytes)
            {
                Sse.Prefetch0(w + PrefetchBytes + 2 * LineBytes);
                Sse.Prefetch0(w + PrefetchBytes + 3 * LineBytes);
            }
        }
    }

    // What a tile fetches for each unit: a line, the next time the one after it, or without one the unit that lies so many bytes ahead.
    private struct Fetch
    {
        public byte* Line;
        public long Ahead;
    }
}
