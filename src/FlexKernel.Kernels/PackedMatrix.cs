using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace FlexKernel.Kernels;

/// <summary>
/// A weight matrix [rows (outputs), columns (inputs, k)], laid out once in panels that matrix-vector and matrix-matrix products share.
/// </summary>
/// <remarks>
/// <code>
/// panel p = outputs 32p … 32p+31                      rows padded with zeros to a multiple of 32,
///   pair 0: k = 0, 1 of the 32 outputs                columns to a multiple of 2
///   pair 1: k = 2, 3 …                                see <see cref="IPanelFormat"/> for the bytes of a pair
/// </code>
/// A backward pass reads the same bytes: for dX = dY·W a 16 x 16 block is transposed in registers and packed per block of k, amortised
/// over the rows of dY; for dW = dYᵀ·X the rows of the tile are k and its lanes the outputs, so the gradient comes out in this layout.
/// </remarks>
public sealed unsafe class PackedMatrix : IDisposable
{
    /// <summary>Outputs in one panel.</summary>
    public const int PanelRows = 32;

    /// <summary>Products are summed in blocks of this many k, each from zero, and the block sums added in order.</summary>
    public const int BlockColumns = 256;

    private readonly NativeMemoryOwner _memory;

    /// <summary>Allocates a matrix of zeros.</summary>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="format">How weights are kept.</param>
    public PackedMatrix(int rows, int columns, WeightFormat format)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        Rows = rows;
        Columns = columns;
        Format = format;
        PanelCount = RoundUp(rows, PanelRows) / PanelRows;
        PanelBytes = format.PanelBytes(columns);
        _memory = new NativeMemoryOwner(checked(PanelBytes * PanelCount));
    }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs (k).</summary>
    public int Columns { get; }

    /// <summary>How weights are kept.</summary>
    public WeightFormat Format { get; }

    /// <summary>Bytes held, padding included.</summary>
    public long ByteCount => _memory.ByteCount;

    internal int PanelCount { get; }

    internal long PanelBytes { get; }

    internal byte* Pointer => _memory.Pointer;

    /// <summary>
    /// Stores successive rows, converting to <see cref="Format"/> (float32 to bfloat16 rounds to nearest, ties to even; see
    /// <see cref="WeightFormat"/> for the others).
    /// </summary>
    /// <param name="firstRow">The first row written.</param>
    /// <param name="source">Whole rows of <paramref name="sourceColumns"/> little-endian values, one after the other.</param>
    /// <param name="type">The type of the values.</param>
    /// <param name="sourceColumns">Values per row of <paramref name="source"/>; those beyond <see cref="Columns"/> are left out.</param>
    /// <param name="scale">Multiplies every value, in float32, before it is stored.</param>
    /// <exception cref="ArgumentException">The source is not a whole number of rows, or does not fit.</exception>
    public void WriteRows(int firstRow, ReadOnlySpan<byte> source, StoredType type, int sourceColumns, float scale = 1f)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sourceColumns, Columns);
        long rowBytes = (long)sourceColumns * type.Size();
        if (source.Length % rowBytes != 0 || firstRow < 0 || firstRow + source.Length / rowBytes > Rows)
        {
            throw new ArgumentException($"{source.Length} bytes from row {firstRow} on are not rows of {rowBytes} bytes of a matrix of {Rows} rows.", nameof(source));
        }

        for (int i = 0; i < (int)(source.Length / rowBytes); i++)
        {
            WriteRow(firstRow + i, source.Slice(checked((int)(i * rowBytes)), (int)rowBytes), type, scale);
        }
    }

    /// <summary>Stores one row of float32 values.</summary>
    public void WriteRow(int row, ReadOnlySpan<float> values) =>
        WriteRows(row, MemoryMarshal.AsBytes(values), StoredType.F32, values.Length);

    /// <summary>Reads one row as float32.</summary>
    /// <param name="row">The row.</param>
    /// <param name="destination">Receives <see cref="Columns"/> values.</param>
    public void ReadRow(int row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, Columns);
        if (Format == WeightFormat.F32)
        {
            float* source = (float*)PanelPointer(row) + row % PanelRows;
            for (int k = 0; k < Columns; k++)
            {
                destination[k] = source[(long)k * PanelRows];
            }
        }
        else if (Format.IsQuantized())
        {
            QuantizedPanel.ReadRow(Format, PanelPointer(row), row % PanelRows, destination[..Columns]);
        }
        else
        {
            uint* source = (uint*)PanelPointer(row) + row % PanelRows;
            for (int k = 0; k < Columns; k++)
            {
                uint word = source[(long)(k >> 1) * PanelRows];
                destination[k] = BitConverter.UInt32BitsToSingle((k & 1) == 0 ? word << 16 : word & 0xFFFF0000u);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    internal static int RoundUp(int value, int multiple) => checked((value + multiple - 1) / multiple * multiple);

    private byte* PanelPointer(int row) => Pointer + row / PanelRows * PanelBytes;

    private void WriteRow(int row, ReadOnlySpan<byte> source, StoredType type, float scale)
    {
        const int Piece = 1024;
        Span<float> values = stackalloc float[Piece];
        for (int k = 0; k < Columns; k += Piece)
        {
            Span<float> piece = values[..Math.Min(Piece, Columns - k)];
            WeightTypes.Widen(source.Slice(k * type.Size(), piece.Length * type.Size()), type, piece);
            if (scale != 1f)
            {
                TensorPrimitives.Multiply(piece, scale, piece);
            }

            Put(row, k, piece);
        }
    }

    private void Put(int row, int firstColumn, ReadOnlySpan<float> values)
    {
        byte* panel = PanelPointer(row);
        int lane = row % PanelRows;
        if (Format == WeightFormat.F32)
        {
            float* destination = (float*)panel + (long)firstColumn * PanelRows + lane;
            for (int i = 0; i < values.Length; i++)
            {
                destination[(long)i * PanelRows] = values[i];
            }
        }
        else if (Format.IsQuantized())
        {
            QuantizedPanel.Write(Format, panel, lane, firstColumn, values);
        }
        else
        {
            for (int i = 0; i < values.Length; i++)
            {
                int k = firstColumn + i;
                ((ushort*)panel)[((long)(k >> 1) * PanelRows + lane) * 2 + (k & 1)] = BFloat16.FromSingle(values[i]);
            }
        }
    }
}
