using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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

    private readonly NativeMemoryPool? _pool;
    private NativeMemoryOwner? _memory;

    /// <summary>Allocates a matrix of zeros.</summary>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="format">How weights are kept.</param>
    public PackedMatrix(int rows, int columns, WeightFormat format)
        : this(rows, columns, format, null)
    {
    }

    /// <summary>Takes a float32 matrix of arbitrary content from a pool, to which it goes back.</summary>
    internal PackedMatrix(int rows, int columns, NativeMemoryPool pool)
        : this(rows, columns, WeightFormat.F32, pool)
    {
    }

    private PackedMatrix(int rows, int columns, WeightFormat format, NativeMemoryPool? pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        Rows = rows;
        Columns = columns;
        Format = format;
        PanelCount = RoundUp(rows, PanelRows) / PanelRows;
        PanelBytes = format.PanelBytes(columns);
        ByteCount = checked(PanelBytes * PanelCount);
        _pool = pool;
        _memory = pool?.Take(ByteCount) ?? new NativeMemoryOwner(ByteCount);
    }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs (k).</summary>
    public int Columns { get; }

    /// <summary>How weights are kept.</summary>
    public WeightFormat Format { get; }

    /// <summary>Bytes held, padding included.</summary>
    public long ByteCount { get; }

    /// <summary>Panels of <see cref="PanelRows"/> outputs, the last one padded.</summary>
    public int PanelCount { get; }

    internal long PanelBytes { get; }

    internal byte* Pointer => (_memory ?? throw new ObjectDisposedException(nameof(PackedMatrix))).Pointer;

    /// <summary>
    /// Stores successive rows, converting to <see cref="Format"/> (float32 to bfloat16 rounds to nearest, ties to even; see
    /// <see cref="WeightFormat"/> for the others).
    /// </summary>
    /// <param name="firstRow">The first row written.</param>
    /// <param name="source">Whole rows of <paramref name="sourceColumns"/> little-endian values, one after the other.</param>
    /// <param name="type">The type of the values.</param>
    /// <param name="sourceColumns">Values per row of <paramref name="source"/>; those beyond <see cref="Columns"/> are left out.</param>
    /// <param name="scale">Multiplies every value, in float32, before it is stored.</param>
    /// <param name="team">Threads to divide the panels among, or null for the caller alone; the result is the same.</param>
    /// <exception cref="ArgumentException">The source is not a whole number of rows, or does not fit.</exception>
    public void WriteRows(int firstRow, ReadOnlySpan<byte> source, StoredType type, int sourceColumns, float scale = 1f, WorkerTeam? team = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sourceColumns, Columns);
        long rowBytes = (long)sourceColumns * type.Size();
        if (source.Length % rowBytes != 0 || firstRow < 0 || firstRow + source.Length / rowBytes > Rows)
        {
            throw new ArgumentException($"{source.Length} bytes from row {firstRow} on are not rows of {rowBytes} bytes of a matrix of {Rows} rows.", nameof(source));
        }

        int endRow = firstRow + (int)(source.Length / rowBytes);
        int firstPanel = firstRow / PanelRows, panels = RoundUp(endRow, PanelRows) / PanelRows - firstPanel;
        PanelPacker packer = new(Format, type, rowBytes, Columns, scale);
        fixed (byte* bytes = source)
        {
            nint rows = (nint)bytes;
            if (team is null || panels == 1)
            {
                Pack(0, 1);
            }
            else
            {
                team.Run(Pack);
            }

            void Pack(int worker, int workers)
            {
                (int begin, int end) = WorkerTeam.Share(panels, worker, workers);
                for (int panel = firstPanel + begin; panel < firstPanel + end; panel++)
                {
                    int first = Math.Max(panel * PanelRows, firstRow), count = Math.Min(panel * PanelRows + PanelRows, endRow) - first;
                    packer.Pack(Pointer + panel * PanelBytes, first % PanelRows, count, (byte*)rows + (first - firstRow) * rowBytes);
                }
            }
        }
    }

    /// <summary>Stores one row of float32 values.</summary>
    public void WriteRow(int row, ReadOnlySpan<float> values) =>
        WriteRows(row, MemoryMarshal.AsBytes(values), StoredType.F32, values.Length);

    /// <summary>Stores the transpose of float32 rows in some panels: output n of this matrix is column n of the source.</summary>
    /// <param name="source">[<see cref="Columns"/>, <see cref="Rows"/>]; row k holds weight k of every output.</param>
    /// <param name="stride">Floats from row to row of <paramref name="source"/>.</param>
    /// <param name="firstPanel">The first panel written.</param>
    /// <param name="endPanel">The panel after the last.</param>
    /// <remarks>A panel holds 32 outputs for each k, so this copies runs; nothing is transposed.</remarks>
    internal void WriteTransposed(float* source, long stride, int firstPanel, int endPanel)
    {
        if (Format != WeightFormat.F32)
        {
            throw new InvalidOperationException($"A transpose is stored as {WeightFormat.F32}, not {Format}.");
        }

        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            int first = panel * PanelRows, lanes = Math.Min(PanelRows, Rows - first);
            float* destination = (float*)(Pointer + panel * PanelBytes);
            float* from = source + first;
            for (int k = 0; k < Columns; k++, destination += PanelRows, from += stride)
            {
                if (lanes == PanelRows)
                {
                    Vector256.Load(from).Store(destination);
                    Vector256.Load(from + 8).Store(destination + 8);
                    Vector256.Load(from + 16).Store(destination + 16);
                    Vector256.Load(from + 24).Store(destination + 24);
                }
                else
                {
                    new ReadOnlySpan<float>(from, lanes).CopyTo(new Span<float>(destination, lanes));
                    new Span<float>(destination + lanes, PanelRows - lanes).Clear();
                }
            }

            new Span<float>(destination, (RoundUp(Columns, 2) - Columns) * PanelRows).Clear();
        }
    }

    /// <summary>Stores the transpose of a packed matrix of the same format in some panels; exact.</summary>
    /// <param name="source">[<see cref="Columns"/>, <see cref="Rows"/>], F32 or BF16.</param>
    /// <param name="firstPanel">The first panel written.</param>
    /// <param name="endPanel">The panel after the last.</param>
    internal void WriteTransposed(PackedMatrix source, int firstPanel, int endPanel)
    {
        if (source.Format != Format || Format.IsQuantized() || (source.Rows, source.Columns) != (Columns, Rows))
        {
            throw new ArgumentException(
                $"A matrix [{source.Rows}, {source.Columns}] of {source.Format} is not the transpose of one [{Rows}, {Columns}] of {Format}.", nameof(source));
        }

        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            byte* destination = Pointer + panel * PanelBytes;
            new Span<byte>(destination, checked((int)PanelBytes)).Clear();
            int first = panel * PanelRows, lanes = Math.Min(PanelRows, Rows - first);
            for (int k = 0; k < Columns; k++)
            {
                byte* from = source.PanelPointer(k);
                for (int lane = 0; lane < lanes; lane++)
                {
                    if (Format == WeightFormat.F32)
                    {
                        ((float*)destination)[k * (long)PanelRows + lane] = ((float*)from)[(first + lane) * (long)PanelRows + k % PanelRows];
                    }
                    else
                    {
                        ((ushort*)destination)[HalfIndex(k, lane)] = ((ushort*)from)[HalfIndex(first + lane, k % PanelRows)];
                    }
                }
            }
        }

        static long HalfIndex(int k, int lane) => ((k >> 1) * (long)PanelRows + lane) * 2 + (k & 1);
    }

    /// <summary>Gives panels as they lie in memory, to store them or to fill them with what was stored; see <see cref="WeightTypes.LayoutVersion"/>.</summary>
    /// <param name="first">The first panel.</param>
    /// <param name="count">How many.</param>
    /// <returns>Their bytes, valid until the matrix is disposed.</returns>
    public Span<byte> Panels(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, PanelCount - first);
        return new Span<byte>(Pointer + first * PanelBytes, checked((int)(count * PanelBytes)));
    }

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
    public void Dispose()
    {
        if (_memory is null)
        {
            return;
        }

        if (_pool is null)
        {
            _memory.Dispose();
        }
        else
        {
            _pool.Return(_memory);
        }

        _memory = null;
    }

    internal static int RoundUp(int value, int multiple) => checked((value + multiple - 1) / multiple * multiple);

    private byte* PanelPointer(int row) => Pointer + row / PanelRows * PanelBytes;
}
