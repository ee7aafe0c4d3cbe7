using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class QuantizedProductsScalarTests : QuantizedProductsTests<LanesScalar>;

public sealed class QuantizedProducts128Tests : QuantizedProductsTests<Lanes128>;

public sealed class QuantizedProducts256Tests : QuantizedProductsTests<Lanes256>;

public sealed class QuantizedProducts512Tests : QuantizedProductsTests<Lanes512>;

/// <summary>Quantised products of any shape: bits against the definition in plain scalar code, values against double precision.</summary>
public abstract unsafe class QuantizedProductsTests<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private const int Block = 32;
    private const int Group = 256;
    private readonly float[] _scratch = GC.AllocateArray<float>(Products.ScratchSize, pinned: true);
    private readonly Arena _arena = new();

    protected QuantizedProductsTests() => Paths.Require<TLanes>();

    public static TheoryData<WeightFormat, bool> Forms => new()
    {
        { WeightFormat.Q8, false }, { WeightFormat.Q8, true }, { WeightFormat.Q4, false }, { WeightFormat.Q4C, false }, { WeightFormat.Q4C, true },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_EveryRemainder_EqualsDefinition(WeightFormat format, bool add)
    {
        for (int columns = 1; columns <= 140; columns += columns < 70 ? 1 : 7)
        {
            Check(3, columns, 1 + columns % 7, format, add);
        }

        for (int outputs = 1; outputs <= 70; outputs++)
        {
            Check(outputs, 45, 1 + outputs % 7, format, add);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_EveryRowCount_EqualsDefinition(WeightFormat format, bool add)
    {
        for (int rows = 1; rows <= 40; rows++)
        {
            Check(33, 300, rows, format, add);
        }

        Check(5, 40, 515, format, add);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_SeveralGroups_EqualsDefinition(WeightFormat format, bool add)
    {
        foreach (int columns in (int[])[255, 256, 257, 288, 320, 511, 512, 513, 544, 1000, 1024])
        {
            foreach (int rows in (int[])[1, 2, 3, 5, 7])
            {
                Check(5 + columns % 4, columns, rows, format, add);
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Q8)]
    [InlineData(WeightFormat.Q4)]
    [InlineData(WeightFormat.Q4C)]
    public void Multiply_LargestLevelsEverywhere_DoNotSaturate(WeightFormat format)
    {
        foreach (float sign in (float[])[1, -1])
        {
            float[] w = [.. Enumerable.Repeat(sign, 33 * 64)], x = [.. Enumerable.Repeat(1f, 5 * 64)];
            Check(w, x, 33, 64, 5, format, null);
        }
    }

    // Sums of 16 bits hold two products of four, and the offset of all: every choice of signs within four successive k.
    [Theory]
    [InlineData(WeightFormat.Q8)]
    [InlineData(WeightFormat.Q4)]
    [InlineData(WeightFormat.Q4C)]
    public void Multiply_LargestLevelsOfEverySign_DoNotSaturate(WeightFormat format)
    {
        for (int signs = 0; signs < 256; signs++)
        {
            float[] w = [.. Enumerable.Range(0, 33 * 64).Select(i => Sign(signs, i % 4))], x = [.. Enumerable.Range(0, 5 * 64).Select(i => Sign(signs, 4 + i % 4))];
            Check(w, x, 33, 64, 5, format, null);
        }

        static float Sign(int signs, int bit) => (signs >> bit & 1) == 0 ? 1 : -1;
    }

    public void Dispose()
    {
        _arena.Dispose();
        GC.SuppressFinalize(this);
    }

    private void Check(int outputs, int columns, int rows, WeightFormat format, bool add)
    {
        Numbers numbers = new((ulong)(outputs * 1_000_003 + columns * 1009 + rows));
        Check(numbers.Floats(outputs * columns), numbers.Floats(rows * columns), outputs, columns, rows, format, add ? numbers.Floats(rows * outputs) : null);
    }

    private void Check(float[] raw, float[] x, int outputs, int columns, int rows, WeightFormat format, float[]? before)
    {
        using PackedMatrix matrix = raw.ToMatrix(outputs, columns, format);
        using Activations source = x.ToActivations(rows, columns);
        using Activations y = before is null ? new Activations(rows, outputs).Fill(float.NaN) : before.ToActivations(rows, outputs);

        Multiply(source, rows, matrix, y, before is not null);

        float[] kept = new float[columns];
        for (int n = 0; n < outputs; n++)
        {
            matrix.ReadRow(n, kept);
            (int[] levels, float[] scales) = Levels(raw.AsSpan(n * columns, columns), kept, format);
            for (int row = 0; row < rows; row++)
            {
                string where = $"{outputs} x {columns}, {rows} rows, output {n} of row {row}";
                ReadOnlySpan<float> values = x.AsSpan(row * columns, columns);
                float sum = Definition(levels, scales, values), expected = before is null ? sum : before[row * outputs + n] + sum;
                Assert.True(
                    BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(y.Row(row)[n]), $"{where}: {y.Row(row)[n]:R}, expected {expected:R}");

                // Half a step of the activations, on top of the weights as they are kept.
                double step = 0, old = before is null ? 0 : before[row * outputs + n];
                for (int k = 0; k < columns; k++)
                {
                    step += Math.Abs(kept[k]) * Largest(values, k / Group) / 127 * 0.5001;
                }

                double error = Math.Abs(y.Row(row)[n] - old - Reference.Dot(kept, values));
                Assert.True(error <= step + 1e-5 * (Math.Abs(old) + Reference.AbsoluteDot(kept, values)), $"{where}: off by {error}");
            }
        }
    }

    // The scale of a block is the bfloat16 for which every kept weight is a whole level; found from the kept weights alone.
    private static (int[] Levels, float[] Scales) Levels(ReadOnlySpan<float> raw, float[] kept, WeightFormat format)
    {
        int blocks = (kept.Length + Block - 1) / Block;
        int[] levels = new int[kept.Length];
        float[] scales = new float[blocks];
        Span<float> padded = stackalloc float[Block];
        for (int b = 0; b < blocks; b++)
        {
            padded.Clear();
            raw.Slice(b * Block, Math.Min(Block, kept.Length - b * Block)).CopyTo(padded);
            scales[b] = BFloat16.ToSingle(QuantizationDefinition.Quantize(format, padded).Scale);
            for (int k = b * Block; k < Math.Min((b + 1) * Block, kept.Length); k++)
            {
                levels[k] = scales[b] == 0 ? 0 : (int)Math.Round(kept[k] / scales[b]);
                Assert.Equal(kept[k], levels[k] * scales[b]);
            }
        }

        return (levels, scales);
    }

    private static float Definition(int[] levels, float[] scales, ReadOnlySpan<float> x)
    {
        float s = 0;
        for (int group = 0; group * Group < x.Length; group++)
        {
            float largest = Largest(x, group), inverse = largest == 0 ? 0 : 127 / largest, t = 0;
            for (int block = group * Group / Block; block < scales.Length && block < (group + 1) * Group / Block; block++)
            {
                int dot = 0;
                for (int k = block * Block; k < Math.Min((block + 1) * Block, x.Length); k++)
                {
                    dot += levels[k] * (int)MathF.Round(x[k] * inverse, MidpointRounding.ToEven);
                }

                t = MathF.FusedMultiplyAdd(dot, scales[block], t);
            }

            s = MathF.FusedMultiplyAdd(t, largest / 127, s);
        }

        return s;
    }

    private static float Largest(ReadOnlySpan<float> x, int group)
    {
        float largest = 0;
        for (int k = group * Group; k < Math.Min((group + 1) * Group, x.Length); k++)
        {
            largest = Math.Max(largest, Math.Abs(x[k]));
        }

        return largest;
    }

    private void Multiply(Activations x, int rows, PackedMatrix matrix, Activations y, bool add)
    {
        _arena.Reset(QuantizedRows.Size(rows, x.Columns));
        QuantizedRows quantized = QuantizedRows.Take(_arena, rows, x.Columns);
        for (int row = 0; row < rows; row++)
        {
            quantized.Quantize(row, x.RowPointer(row));
        }

        fixed (float* scratch = _scratch)
        {
            PackedRows source = new() { Rows = rows, Columns = x.Columns, Quantized = quantized };
            int half = matrix.PanelCount / 2;
            Products.Multiply<TLanes>(source, matrix, half, matrix.PanelCount, y.Pointer, y.Stride, add, scratch);
            Products.Multiply<TLanes>(source, matrix, 0, half, y.Pointer, y.Stride, add, scratch);
        }
    }
}
