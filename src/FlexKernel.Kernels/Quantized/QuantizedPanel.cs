using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <summary>Quantises blocks of a panel and reads single outputs; see <see cref="IQuantizedFormat"/> for its bytes.</summary>
internal static unsafe class QuantizedPanel
{
    private const int BlockColumns = Quantization.BlockColumns;

    /// <summary>Quantises the weights of eight outputs in one block.</summary>
    /// <param name="format">The format.</param>
    /// <param name="weights">Weights [32, 8].</param>
    /// <param name="words">Receives the block's words of these outputs, [8, 8] or, as nibbles, [4, 8].</param>
    /// <returns>Their scales, bfloat16 in the low half.</returns>
    public static Vector256<uint> Pack(WeightFormat format, float* weights, uint* words)
    {
        int* codes = stackalloc int[BlockColumns * Quantization.Lanes];
        Vector256<uint> scales = Quantization.Quantize(format, weights, codes);
        int groups = WordRows(format);
        for (int group = 0; group < groups; group++)
        {
            Vector256<int> word = Word(codes + 4 * group * Quantization.Lanes);
            if (format != WeightFormat.Q8)
            {
                word |= Word(codes + (BlockColumns / 2 + 4 * group) * Quantization.Lanes) << 4;
            }

            word.AsUInt32().Store(words + group * Quantization.Lanes);
        }

        return scales;
    }

    /// <summary>Words of one output in a block.</summary>
    public static int WordRows(WeightFormat format) => BlockBytes(format) / QuantizedProducts.GroupBytes;

    /// <summary>Bytes of one block of 32 outputs.</summary>
    public static int BlockBytes(WeightFormat format) => format == WeightFormat.Q8 ? Bytes8.BlockBytes : Nibbles4.BlockBytes;

    /// <summary>Reads one output's weights.</summary>
    public static void ReadRow(WeightFormat format, byte* panel, int lane, Span<float> destination)
    {
        for (int column = 0; column < destination.Length; column += BlockColumns)
        {
            byte* payload = Block(format, panel, column, lane, out ushort* stored);
            float scale = BFloat16.ToSingle(*stored);
            for (int k = 0; k < Math.Min(BlockColumns, destination.Length - column); k++)
            {
                byte* at = Place(format, payload, k, out int shift);
                byte code = format == WeightFormat.Q8 ? *at : (byte)((*at >> shift) & 15);
                destination[column + k] = Quantization.Value(format, code, scale);
            }
        }
    }

    // Four codes of each output, the first in the lowest byte.
    private static Vector256<int> Word(int* codes) =>
        Vector256.Load(codes) | (Vector256.Load(codes + Quantization.Lanes) << 8)
        | (Vector256.Load(codes + 2 * Quantization.Lanes) << 16) | (Vector256.Load(codes + 3 * Quantization.Lanes) << 24);

    // An output's bytes in the block of a column, and where its scale is.
    private static byte* Block(WeightFormat format, byte* panel, int column, int lane, out ushort* scale)
    {
        int blockBytes = BlockBytes(format);
        int half = column / BlockColumns % 2;
        byte* unit = panel + (long)(column / Quantization.UnitColumns) * (QuantizedProducts.ScaleBytes + 2 * blockBytes);
        scale = (ushort*)unit + 2 * lane + half;
        return unit + QuantizedProducts.ScaleBytes + half * blockBytes + 4 * lane;
    }

    private static byte* Place(WeightFormat format, byte* payload, int k, out int shift)
    {
        bool isHigh = format != WeightFormat.Q8 && k >= BlockColumns / 2;
        shift = isHigh ? 4 : 0;
        k -= isHigh ? BlockColumns / 2 : 0;
        return payload + k / 4 * QuantizedProducts.GroupBytes + k % 4;
    }
}
