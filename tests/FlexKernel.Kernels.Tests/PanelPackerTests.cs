using System.Runtime.InteropServices;
using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>The bytes of panels against their definition, value by value, whatever the pieces rows come in and the threads that pack them.</summary>
public sealed class PanelPackerTests
{
    public static TheoryData<WeightFormat, StoredType> Forms
    {
        get
        {
            TheoryData<WeightFormat, StoredType> data = [];
            foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
            {
                foreach (StoredType type in Enum.GetValues<StoredType>())
                {
                    data.Add(format, type);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void WriteRows_AnyPieceAndTeam_GivesTheDefinedBytes(WeightFormat format, StoredType type)
    {
        Numbers numbers = new(77);
        using WorkerTeam team = new(3);
        foreach ((int rows, int columns, int extra) in ((int, int, int)[])[(1, 1, 0), (7, 31, 2), (32, 64, 0), (33, 65, 0), (70, 97, 3), (100, 160, 0), (129, 33, 31)])
        {
            byte[] stored = new byte[rows * (columns + extra) * type.Size()];
            WeightTypes.Narrow(Awkward(numbers, rows * (columns + extra)), type, stored);
            float[] values = new float[rows * (columns + extra)];
            WeightTypes.Widen(stored, type, values);
            float scale = rows == 70 ? 0.3f : 1f;
            byte[] expected = Define(format, values, rows, columns, columns + extra, scale);
            foreach (int piece in (int[])[1, 5, 32, 47, rows])
            {
                foreach (WorkerTeam? threads in (WorkerTeam?[])[null, team])
                {
                    using PackedMatrix matrix = new(rows, columns, format);
                    int rowBytes = (columns + extra) * type.Size();
                    for (int row = 0; row < rows; row += piece)
                    {
                        int end = Math.Min(row + piece, rows);
                        matrix.WriteRows(row, stored.AsSpan(row * rowBytes, (end - row) * rowBytes), type, columns + extra, scale, threads);
                    }

                    Assert.True(
                        expected.AsSpan().SequenceEqual(matrix.Panels(0, matrix.PanelCount)),
                        $"{format} {type} [{rows}, {columns}] in pieces of {piece}, {threads?.Workers} threads");
                }
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Q8)]
    [InlineData(WeightFormat.Q4)]
    [InlineData(WeightFormat.Q4C)]
    public void WriteRows_ValuesOfEverySize_GiveTheDefinedBytes(WeightFormat format)
    {
        Numbers numbers = new(78);
        float[] values = new float[64 * 640];
        for (int block = 0; block < values.Length / 32; block++)
        {
            // From where scales would be subnormal to where squares exceed float32; some blocks hold ties of both signs.
            float size = MathF.Pow(2, numbers.Int(-140, 120));
            float step = numbers.OneIn(2) ? 1 : 8;
            for (int k = 0; k < 32; k++)
            {
                values[block * 32 + k] = MathF.Round(numbers.Float() * 1024 / step) / 1024 * step * size;
            }
        }

        using PackedMatrix matrix = new(64, 640, format);
        matrix.WriteRows(0, MemoryMarshal.AsBytes<float>(values), StoredType.F32, 640);

        Assert.True(Define(format, values, 64, 640, 640, 1f).AsSpan().SequenceEqual(matrix.Panels(0, 2)));
    }

    [Theory]
    [InlineData(WeightFormat.Q8)]
    [InlineData(WeightFormat.Q4)]
    [InlineData(WeightFormat.Q4C)]
    public void WriteRows_InfinityAmongWeights_StaysInTheScale(WeightFormat format)
    {
        float[] values = new float[8 * 64];
        values[3 * 64 + 40] = float.NegativeInfinity;
        values[5 * 64 + 1] = float.PositiveInfinity;
        using PackedMatrix matrix = new(8, 64, format);
        matrix.WriteRows(0, MemoryMarshal.AsBytes<float>(values), StoredType.F32, 64);

        Assert.True(Define(format, values, 8, 64, 64, 1f).AsSpan().SequenceEqual(matrix.Panels(0, 1)));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 3)]
    [InlineData(2, 1)]
    [InlineData(1, -1)]
    public void Panels_OutsideTheMatrix_Throws(int first, int count)
    {
        using PackedMatrix matrix = new(40, 8, WeightFormat.F32);
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Panels(first, count).Length);
    }

    // Ordinary values, zeros, and blocks whose extremes are as far from zero on both sides.
    private static float[] Awkward(Numbers numbers, int count)
    {
        float[] values = numbers.Floats(count, 0.1f);
        for (int i = 0; i < count; i++)
        {
            values[i] = numbers.Int(0, 9) switch
            {
                0 => 0f,
                1 => 0.25f,
                2 => -0.25f,
                _ => values[i],
            };
        }

        return values;
    }

    private static byte[] Define(WeightFormat format, float[] values, int rows, int columns, int stride, float scale)
    {
        long panelBytes = format.PanelBytes(columns);
        byte[] bytes = new byte[(rows + 31) / 32 * panelBytes];
        for (int row = 0; row < rows; row++)
        {
            Span<byte> panel = bytes.AsSpan((int)(row / 32 * panelBytes), (int)panelBytes);
            float[] weights = [.. values.AsSpan(row * stride, columns)];
            for (int k = 0; k < columns && scale != 1f; k++)
            {
                weights[k] *= scale;
            }

            DefineRow(format, weights, row % 32, panel);
        }

        return bytes;
    }

    private static void DefineRow(WeightFormat format, float[] weights, int lane, Span<byte> panel)
    {
        if (format == WeightFormat.F32)
        {
            for (int k = 0; k < weights.Length; k++)
            {
                MemoryMarshal.Cast<byte, float>(panel)[k * 32 + lane] = weights[k];
            }

            return;
        }

        if (format == WeightFormat.BF16)
        {
            for (int k = 0; k < weights.Length; k++)
            {
                MemoryMarshal.Cast<byte, ushort>(panel)[(k / 2 * 32 + lane) * 2 + k % 2] = BFloat16.FromSingle(weights[k]);
            }

            return;
        }

        int blockBytes = format == WeightFormat.Q8 ? 1024 : 512;
        for (int column = 0; column < weights.Length; column += 32)
        {
            float[] block = new float[32];
            weights.AsSpan(column, Math.Min(32, weights.Length - column)).CopyTo(block);
            (ushort scale, int[] codes) = QuantizationDefinition.Quantize(format, block);
            int half = column / 32 % 2;
            Span<byte> unit = panel[(column / 64 * (128 + 2 * blockBytes))..];
            MemoryMarshal.Cast<byte, ushort>(unit)[2 * lane + half] = scale;
            Span<byte> payload = unit.Slice(128 + half * blockBytes, blockBytes);
            for (int k = 0; k < 32; k++)
            {
                if (format == WeightFormat.Q8)
                {
                    payload[k / 4 * 128 + 4 * lane + k % 4] = (byte)codes[k];
                }
                else
                {
                    payload[k % 16 / 4 * 128 + 4 * lane + k % 4] |= (byte)(codes[k] << (k < 16 ? 0 : 4));
                }
            }
        }
    }
}
