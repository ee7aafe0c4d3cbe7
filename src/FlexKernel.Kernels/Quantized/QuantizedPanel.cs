namespace FlexKernel.Kernels;

/// <summary>Writes and reads single outputs of a quantised panel; see <see cref="IQuantizedFormat"/> for its bytes.</summary>
internal static unsafe class QuantizedPanel
{
    private const int BlockColumns = Quantization.BlockColumns;

    /// <summary>Quantises and stores part of one output's weights.</summary>
    /// <param name="format">The format.</param>
    /// <param name="panel">The panel.</param>
    /// <param name="lane">The output's place in it.</param>
    /// <param name="firstColumn">The first column written; a multiple of 32.</param>
    /// <param name="values">The weights; a last block of less than 32 is filled up with zeros.</param>
    public static void Write(WeightFormat format, byte* panel, int lane, int firstColumn, ReadOnlySpan<float> values)
    {
        Span<float> block = stackalloc float[BlockColumns];
        Span<byte> codes = stackalloc byte[BlockColumns];
        for (int i = 0; i < values.Length; i += BlockColumns)
        {
            ReadOnlySpan<float> piece = values[i..Math.Min(i + BlockColumns, values.Length)];
            block.Clear();
            piece.CopyTo(block);
            byte* payload = Block(format, panel, firstColumn + i, lane, out ushort* scale);
            *scale = Quantization.Quantize(format, block, codes);
            for (int k = 0; k < BlockColumns; k++)
            {
                byte* at = Place(format, payload, k, out int shift);
                *at = format == WeightFormat.Q8 ? codes[k] : (byte)((*at & (0xF0 >> shift)) | (codes[k] << shift));
            }
        }
    }

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

    // An output's bytes in the block of a column, and where its scale is.
    private static byte* Block(WeightFormat format, byte* panel, int column, int lane, out ushort* scale)
    {
        int blockBytes = format == WeightFormat.Q8 ? Bytes8.BlockBytes : Nibbles4.BlockBytes;
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
