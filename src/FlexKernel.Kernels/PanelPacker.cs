using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>Packs stored rows into one panel.</summary>
/// <remarks>
/// A panel of any format is rows of 32 words, one word for each output. Rows are read 64 columns at a time, which is one unit of the
/// quantised formats; eight of them are widened, transposed in registers and written as eighths of those rows of words.
/// </remarks>
internal readonly unsafe struct PanelPacker
{
    private const int Lanes = Quantization.Lanes;
    private const int UnitColumns = Quantization.UnitColumns;
    private const int WordsPerRow = PackedMatrix.PanelRows;

    private readonly WeightFormat _format;
    private readonly StoredType _type;
    private readonly long _rowBytes;
    private readonly int _columns;
    private readonly float _scale;

    /// <summary>Describes the work.</summary>
    /// <param name="format">The panel's format.</param>
    /// <param name="type">The type of the rows.</param>
    /// <param name="rowBytes">Bytes from row to row.</param>
    /// <param name="columns">Values to pack of each row.</param>
    /// <param name="scale">Multiplies every value, in float32.</param>
    public PanelPacker(WeightFormat format, StoredType type, long rowBytes, int columns, float scale)
    {
        _format = format;
        _type = type;
        _rowBytes = rowBytes;
        _columns = columns;
        _scale = scale;
    }

    /// <summary>Packs some of a panel's outputs; the others keep what they have.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="firstLane">The first output written.</param>
    /// <param name="lanes">How many follow one another.</param>
    /// <param name="rows">The first of their rows.</param>
    [SkipLocalsInit]
    public void Pack(byte* panel, int firstLane, int lanes, byte* rows)
    {
        float* values = stackalloc float[Lanes * UnitColumns];
        float* transposed = stackalloc float[UnitColumns * Lanes];
        for (int column = 0; column < _columns; column += UnitColumns)
        {
            int width = Math.Min(UnitColumns, _columns - column);
            for (int lane = firstLane & -Lanes; lane < firstLane + lanes; lane += Lanes)
            {
                int begin = Math.Max(lane, firstLane), end = Math.Min(lane + Lanes, firstLane + lanes);
                if (width < UnitColumns || end - begin < Lanes)
                {
                    new Span<float>(values, Lanes * UnitColumns).Clear();
                }

                for (int i = begin; i < end; i++)
                {
                    Widen(rows + (i - firstLane) * _rowBytes + (long)column * _type.Size(), new Span<float>(values + (i - lane) * UnitColumns, width));
                }

                Transpose(values, transposed);
                Vector256<uint> written = Vector256.GreaterThanOrEqual(Vector256<int>.Indices, Vector256.Create(begin - lane)).AsUInt32()
                    & Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(end - lane)).AsUInt32();
                Write((uint*)panel + lane, column, width, transposed, written);
            }
        }
    }

    private void Widen(byte* source, Span<float> destination)
    {
        WeightTypes.Widen(new ReadOnlySpan<byte>(source, destination.Length * _type.Size()), _type, destination);
        if (_scale != 1f)
        {
            TensorPrimitives.Multiply(destination, _scale, destination);
        }
    }

    private void Write(uint* words, int column, int width, float* weights, Vector256<uint> written)
    {
        if (_format == WeightFormat.F32)
        {
            uint* row = words + (long)column * WordsPerRow;
            for (int k = 0; k < width; k++)
            {
                Store(Vector256.Load(weights + k * Lanes).AsUInt32(), row + k * WordsPerRow, written);
            }
        }
        else if (_format == WeightFormat.BF16)
        {
            uint* row = words + (long)(column / 2) * WordsPerRow;
            for (int k = 0; k < width; k += 2)
            {
                Vector256<uint> low = BFloat16.Round(Vector256.Load(weights + k * Lanes)), high = BFloat16.Round(Vector256.Load(weights + (k + 1) * Lanes));
                Store(low | (high << 16), row + k / 2 * WordsPerRow, written);
            }
        }
        else
        {
            WriteUnit(words + _format.PanelBytes(column) / sizeof(uint), width, weights, written);
        }
    }

    private void WriteUnit(uint* unit, int width, float* weights, Vector256<uint> written)
    {
        const int Block = Quantization.BlockColumns;
        int rows = QuantizedPanel.WordRows(_format);
        uint* packed = stackalloc uint[Block / 4 * Lanes];
        Vector256<uint> scales = default;
        for (int block = 0; block * Block < width; block++)
        {
            scales |= QuantizedPanel.Pack(_format, weights + block * Block * Lanes, packed) << (16 * block);
            uint* row = unit + (1 + block * rows) * WordsPerRow;
            for (int i = 0; i < rows; i++)
            {
                Store(Vector256.Load(packed + i * Lanes), row + i * WordsPerRow, written);
            }
        }

        Store(scales, unit, written);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<uint> value, uint* destination, Vector256<uint> written)
    {
        // The words of other outputs may be another thread's: they are not even read.
        if (written == Vector256<uint>.AllBitsSet)
        {
            value.Store(destination);
            return;
        }

        for (int lane = 0; lane < Lanes; lane++)
        {
            if (written[lane] != 0)
            {
                destination[lane] = value[lane];
            }
        }
    }

    // Rows [8, 64] to [64, 8], in blocks of 8 x 8.
    private static void Transpose(float* rows, float* columns)
    {
        for (int k = 0; k < UnitColumns; k += Lanes)
        {
            Vector256<float> a = Vector256.Load(rows + k), b = Vector256.Load(rows + UnitColumns + k);
            Vector256<float> c = Vector256.Load(rows + 2 * UnitColumns + k), d = Vector256.Load(rows + 3 * UnitColumns + k);
            Vector256<float> e = Vector256.Load(rows + 4 * UnitColumns + k), f = Vector256.Load(rows + 5 * UnitColumns + k);
            Vector256<float> g = Vector256.Load(rows + 6 * UnitColumns + k), h = Vector256.Load(rows + 7 * UnitColumns + k);
            (Vector256<float> a0, Vector256<float> b0, Vector256<float> c0, Vector256<float> d0) = Quarter(a, b, c, d);
            (Vector256<float> a1, Vector256<float> b1, Vector256<float> c1, Vector256<float> d1) = Quarter(e, f, g, h);
            float* to = columns + k * Lanes;
            Vector256.Create(a0.GetLower(), a1.GetLower()).Store(to);
            Vector256.Create(b0.GetLower(), b1.GetLower()).Store(to + Lanes);
            Vector256.Create(c0.GetLower(), c1.GetLower()).Store(to + 2 * Lanes);
            Vector256.Create(d0.GetLower(), d1.GetLower()).Store(to + 3 * Lanes);
            Vector256.Create(a0.GetUpper(), a1.GetUpper()).Store(to + 4 * Lanes);
            Vector256.Create(b0.GetUpper(), b1.GetUpper()).Store(to + 5 * Lanes);
            Vector256.Create(c0.GetUpper(), c1.GetUpper()).Store(to + 6 * Lanes);
            Vector256.Create(d0.GetUpper(), d1.GetUpper()).Store(to + 7 * Lanes);
        }
    }

    // Transposes the 4 x 4 blocks in the lower and in the upper halves of four rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> A, Vector256<float> B, Vector256<float> C, Vector256<float> D) Quarter(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> lowAb = InterleaveLow(a, b), lowCd = InterleaveLow(c, d), highAb = InterleaveHigh(a, b), highCd = InterleaveHigh(c, d);
        return (LowPairs(lowAb, lowCd), HighPairs(lowAb, lowCd), LowPairs(highAb, highCd), HighPairs(highAb, highCd));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> InterleaveLow(Vector256<float> a, Vector256<float> b) => Avx.IsSupported
        ? Avx.UnpackLow(a, b)
        : Vector256.Create(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> InterleaveHigh(Vector256<float> a, Vector256<float> b) => Avx.IsSupported
        ? Avx.UnpackHigh(a, b)
        : Vector256.Create(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> LowPairs(Vector256<float> a, Vector256<float> b) => Avx.IsSupported
        ? Avx.UnpackLow(a.AsDouble(), b.AsDouble()).AsSingle()
        : Vector256.Create(a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> HighPairs(Vector256<float> a, Vector256<float> b) => Avx.IsSupported
        ? Avx.UnpackHigh(a.AsDouble(), b.AsDouble()).AsSingle()
        : Vector256.Create(a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]);
}
