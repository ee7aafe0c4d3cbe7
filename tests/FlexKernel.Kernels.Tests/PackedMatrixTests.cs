using System.Runtime.InteropServices;
using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class PackedMatrixTests
{
    public static TheoryData<StoredType, WeightFormat> Types => new()
    {
        { StoredType.F32, WeightFormat.F32 }, { StoredType.F32, WeightFormat.BF16 }, { StoredType.BF16, WeightFormat.F32 },
        { StoredType.BF16, WeightFormat.BF16 }, { StoredType.F16, WeightFormat.F32 }, { StoredType.F16, WeightFormat.BF16 },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public void WriteRows_EveryShape_ReadsBackRounded(StoredType type, WeightFormat format)
    {
        Numbers numbers = new(11);
        foreach (int rows in (int[])[1, 2, 31, 32, 33, 64, 70])
        {
            foreach (int columns in (int[])[1, 2, 3, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 2050])
            {
                float[] values = numbers.Floats(rows * columns);
                byte[] stored = Store(values, type);
                using PackedMatrix matrix = new(rows, columns, format);

                // Two pieces, as a loader that reads bounded pieces does.
                int first = rows / 2 * columns * type.Size();
                matrix.WriteRows(0, stored.AsSpan(0, first), type, columns);
                matrix.WriteRows(rows / 2, stored.AsSpan(first), type, columns);

                AssertRows(matrix, Reference.Kept(Load(stored, type), format), columns);
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.BF16)]
    public void WriteTransposed_EveryShape_HasTheBytesOfThePackedTranspose(WeightFormat format)
    {
        Numbers numbers = new(14);
        foreach (int rows in (int[])[1, 2, 31, 32, 33, 65])
        {
            foreach (int columns in (int[])[1, 2, 31, 32, 33, 64, 95])
            {
                float[] values = numbers.Floats(rows * columns);
                float[] transposed = [.. Enumerable.Range(0, rows * columns).Select(i => values[i % rows * columns + i / rows])];
                using PackedMatrix matrix = new(rows, columns, format), expected = new(columns, rows, format), actual = new(columns, rows, format);
                matrix.WriteRows(0, MemoryMarshal.AsBytes<float>(values), StoredType.F32, columns);
                expected.WriteRows(0, MemoryMarshal.AsBytes<float>(transposed), StoredType.F32, rows);
                actual.Panels(0, actual.PanelCount).Fill(0xFF);

                for (int panel = actual.PanelCount - 1; panel >= 0; panel--)
                {
                    actual.WriteTransposed(matrix, panel, panel + 1);
                }

                Assert.Equal(expected.Panels(0, expected.PanelCount), actual.Panels(0, actual.PanelCount));
            }
        }
    }

    [Fact]
    public void WriteTransposed_AnotherShapeOrFormat_Throws()
    {
        using PackedMatrix matrix = new(3, 5, WeightFormat.BF16), shape = new(3, 5, WeightFormat.BF16), format = new(5, 3, WeightFormat.F32);

        Assert.Throws<ArgumentException>(() => shape.WriteTransposed(matrix, 0, 1));
        Assert.Throws<ArgumentException>(() => format.WriteTransposed(matrix, 0, 1));
    }

    [Fact]
    public void WriteRows_Scale_MultipliesInFloat32BeforeRounding()
    {
        float[] values = new Numbers(12).Floats(3 * 37);
        using PackedMatrix matrix = new(3, 37, WeightFormat.BF16);

        matrix.WriteRows(0, MemoryMarshal.AsBytes<float>(values), StoredType.F32, 37, 0.3f);

        AssertRows(matrix, [.. values.Select(v => Reference.RoundToBFloat16(v * 0.3f))], 37);
    }

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.BF16)]
    public void WriteRows_MoreColumnsThanTheMatrix_KeepsTheFirst(WeightFormat format)
    {
        float[] values = new Numbers(13).Floats(5 * 40);
        using PackedMatrix matrix = new(5, 13, format);

        matrix.WriteRows(0, MemoryMarshal.AsBytes<float>(values), StoredType.F32, 40);

        float[] kept = [.. Enumerable.Range(0, 5 * 13).Select(i => values[i / 13 * 40 + i % 13])];
        AssertRows(matrix, Reference.Kept(kept, format), 13);
    }

    [Theory]
    [InlineData(0, 4 * 8 * 3 + 4, 8)]
    [InlineData(0, 4 * 8 * 4, 8)]
    [InlineData(1, 4 * 8 * 3, 8)]
    [InlineData(-1, 4 * 8, 8)]
    [InlineData(0, 4 * 7, 7)]
    public void WriteRows_WrongSize_Throws(int firstRow, int bytes, int sourceColumns)
    {
        using PackedMatrix matrix = new(3, 8, WeightFormat.F32);
        Assert.ThrowsAny<ArgumentException>(() => matrix.WriteRows(firstRow, new byte[bytes], StoredType.F32, sourceColumns));
    }

    [Fact]
    public void WriteRow_TooShort_Throws()
    {
        using PackedMatrix matrix = new(3, 8, WeightFormat.F32);
        Assert.ThrowsAny<ArgumentException>(() => matrix.WriteRow(0, new float[7]));
    }

    [Theory]
    [InlineData(-1, 8)]
    [InlineData(3, 8)]
    [InlineData(0, 7)]
    public void ReadRow_WrongSize_Throws(int row, int destination)
    {
        using PackedMatrix matrix = new(3, 8, WeightFormat.F32);
        Assert.ThrowsAny<ArgumentException>(() => matrix.ReadRow(row, new float[destination]));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(-1, 1)]
    public void Constructor_NoRowsOrColumns_Throws(int rows, int columns) =>
        Assert.ThrowsAny<ArgumentException>(() => new PackedMatrix(rows, columns, WeightFormat.F32));

    [Theory]
    [InlineData(int.MaxValue, 8)]
    [InlineData(8, int.MaxValue)]
    [InlineData(int.MaxValue - 40, int.MaxValue - 40)]
    public void Constructor_SizeBeyondCounting_Throws(int rows, int columns) =>
        Assert.Throws<OverflowException>(() => new PackedMatrix(rows, columns, WeightFormat.F32));

    [Theory]
    [InlineData(33, 3, WeightFormat.F32, 64 * 4 * 4)]
    [InlineData(33, 3, WeightFormat.BF16, 64 * 4 * 2)]
    public void ByteCount_CountsPadding(int rows, int columns, WeightFormat format, long expected)
    {
        using PackedMatrix matrix = new(rows, columns, format);
        Assert.Equal(expected, matrix.ByteCount);
    }

    [Fact]
    public void Pointer_AfterDispose_Throws()
    {
        PackedMatrix matrix = new(3, 8, WeightFormat.F32);
        matrix.Dispose();
        matrix.Dispose();
        Assert.Throws<ObjectDisposedException>(() => matrix.ReadRow(0, new float[8]));
    }

    private static void AssertRows(PackedMatrix matrix, float[] expected, int columns)
    {
        float[] row = new float[columns];
        for (int i = 0; i < matrix.Rows; i++)
        {
            row.AsSpan().Fill(float.NaN);
            matrix.ReadRow(i, row);
            Bits.Equal(expected.AsSpan(i * columns, columns), row, $"{matrix.Rows} x {columns}, row {i}");
        }
    }

    private static byte[] Store(float[] values, StoredType type) => type switch
    {
        StoredType.F32 => MemoryMarshal.AsBytes<float>(values).ToArray(),
        StoredType.F16 => MemoryMarshal.AsBytes<Half>([.. values.Select(v => (Half)v)]).ToArray(),
        _ => MemoryMarshal.AsBytes<ushort>([.. values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))]).ToArray(),
    };

    private static float[] Load(byte[] stored, StoredType type) => type switch
    {
        StoredType.F32 => MemoryMarshal.Cast<byte, float>(stored).ToArray(),
        StoredType.F16 => [.. MemoryMarshal.Cast<byte, Half>(stored).ToArray().Select(v => (float)v)],
        _ => [.. MemoryMarshal.Cast<byte, ushort>(stored).ToArray().Select(v => BitConverter.UInt32BitsToSingle((uint)v << 16))],
    };
}
