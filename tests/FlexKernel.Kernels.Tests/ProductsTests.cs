using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class ProductsScalarTests : ProductsTests<LanesScalar>;

public sealed class Products128Tests : ProductsTests<Lanes128>;

public sealed class Products256Tests : ProductsTests<Lanes256>;

public sealed class Products512Tests : ProductsTests<Lanes512>;

/// <summary>One product of any shape: bits against the definition, values against double precision.</summary>
public abstract unsafe class ProductsTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly float[] _scratch = GC.AllocateArray<float>(Products.ScratchSize, pinned: true);

    protected ProductsTests() => Paths.Require<TLanes>();

    public static TheoryData<WeightFormat, bool> Forms => new()
    {
        { WeightFormat.F32, false }, { WeightFormat.F32, true }, { WeightFormat.BF16, false }, { WeightFormat.BF16, true },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_EveryRemainder_EqualsDefinition(WeightFormat format, bool add)
    {
        using Accuracy accuracy = new($"{typeof(TLanes).Name} {format} add {add}");
        for (int outputs = 1; outputs <= 70; outputs++)
        {
            for (int columns = 1; columns <= 70; columns++)
            {
                // Shapes with few rows are the most; every height still meets every remainder of either size.
                int rows = 1 + (7 * outputs + 3 * columns) % 13;
                Check(outputs, columns, rows, format, add, accuracy);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_EveryRowCount_EqualsDefinition(WeightFormat format, bool add)
    {
        using Accuracy accuracy = new($"{typeof(TLanes).Name} {format} add {add}");
        for (int rows = 1; rows <= 40; rows++)
        {
            Check(33, 70, rows, format, add, accuracy);
            Check(65, 259, rows, format, add, accuracy);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_SeveralBlocks_EqualsDefinition(WeightFormat format, bool add)
    {
        using Accuracy accuracy = new($"{typeof(TLanes).Name} {format} add {add}");
        foreach (int columns in (int[])[255, 256, 257, 258, 511, 512, 513, 514, 515, 1024])
        {
            foreach (int rows in (int[])[1, 2, 3, 5, 11, 13])
            {
                Check(31 + columns % 4, columns, rows, format, add, accuracy);
            }
        }
    }

    // More rows than one block of rows and more outputs than are revisited at once; every 11th row is looked at.
    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_MoreThanOneChunk_EqualsDefinition(WeightFormat format, bool add)
    {
        using Accuracy accuracy = new($"{typeof(TLanes).Name} {format} add {add}");
        Check(1500, 258, 530, format, add, accuracy, rowStep: 11);
    }

    [Fact]
    public void Multiply_SubnormalNumbers_EqualsDefinition()
    {
        Numbers numbers = new(5);
        float[] w = numbers.Floats(40 * 37, 1e-20f), x = numbers.Floats(3 * 37, 1e-20f);
        using PackedMatrix matrix = w.ToMatrix(40, 37, WeightFormat.F32);
        using Activations source = x.ToActivations(3, 37), y = new(3, 40);

        Multiply(source, 3, matrix, y, add: false);

        for (int row = 0; row < 3; row++)
        {
            Bits.Equal(Expected(w, x.AsSpan(row * 37, 37), null), y.Row(row), $"row {row}");
        }
    }

    [Fact]
    public void Multiply_RowOfNaN_LeavesOtherRowsAlone()
    {
        Numbers numbers = new(6);
        using PackedMatrix matrix = numbers.Floats(40 * 37).ToMatrix(40, 37, WeightFormat.BF16);
        using Activations x = numbers.Floats(17 * 37).ToActivations(17, 37), clean = new(17, 40), y = new(17, 40);
        Multiply(x, 17, matrix, clean, add: false);
        x.Row(8).Fill(float.NaN);

        Multiply(x, 17, matrix, y, add: false);

        for (int row = 0; row < 17; row++)
        {
            if (row == 8)
            {
                Assert.All(y.Row(row).ToArray(), v => Assert.True(float.IsNaN(v)));
            }
            else
            {
                Bits.Equal(clean.Row(row), y.Row(row), $"row {row}");
            }
        }
    }

    private void Check(int outputs, int columns, int rows, WeightFormat format, bool add, Accuracy accuracy, int rowStep = 1)
    {
        Numbers numbers = new((ulong)(outputs * 1_000_003 + columns * 1009 + rows));
        float[] raw = numbers.Floats(outputs * columns), w = Reference.Kept(raw, format), x = numbers.Floats(rows * columns);
        float[]? before = add ? numbers.Floats(rows * outputs) : null;
        using PackedMatrix matrix = raw.ToMatrix(outputs, columns, format);
        using Activations source = x.ToActivations(rows, columns);
        using Activations y = before is null ? new Activations(rows, outputs).Fill(float.NaN) : before.ToActivations(rows, outputs);

        Multiply(source, rows, matrix, y, add);

        for (int row = 0; row < rows; row += rowStep)
        {
            string where = $"{outputs} x {columns}, {rows} rows, row {row}";
            ReadOnlySpan<float> values = x.AsSpan(row * columns, columns);
            ReadOnlySpan<float> start = add ? before.AsSpan(row * outputs, outputs) : [];
            Bits.Equal(Expected(w, values, start), y.Row(row), where);
            Bits.AllZero(y.Padding(row), where);
            for (int n = 0; n < outputs; n++)
            {
                ReadOnlySpan<float> weights = w.AsSpan(n * columns, columns);
                double old = add ? start[n] : 0;
                accuracy.Check(
                    y.Row(row)[n],
                    old + Reference.Dot(weights, values),
                    Tolerance.Product(columns, 1) * (Math.Abs(old) + Reference.AbsoluteDot(weights, values)),
                    where);
            }
        }
    }

    // Two calls for two ranges of panels, as two workers would do.
    private void Multiply(Activations x, int rows, PackedMatrix matrix, Activations y, bool add)
    {
        float[] packed = GC.AllocateArray<float>((int)PackedRows.Size(rows, x.Columns), pinned: true);
        fixed (float* data = packed, scratch = _scratch)
        {
            PackedRows source = new() { Data = rows == 1 ? x.Pointer : data, Rows = rows, Columns = x.Columns };
            for (int row = 0; row < rows && rows > 1;)
            {
                int height = PackedRows.StripRows(row, rows, TLanes.TileRows);
                source.PackStrip<TLanes>(x.Pointer, x.Stride, null, row, height);
                row += height;
            }

            int half = matrix.PanelCount / 2;
            Products.Multiply<TLanes>(source, matrix, half, matrix.PanelCount, y.Pointer, y.Stride, add, scratch);
            Products.Multiply<TLanes>(source, matrix, 0, half, y.Pointer, y.Stride, add, scratch);
        }
    }

    private static float[] Expected(float[] w, ReadOnlySpan<float> x, ReadOnlySpan<float> start)
    {
        float[] y = new float[w.Length / x.Length];
        for (int n = 0; n < y.Length; n++)
        {
            y[n] = Definition.Product(w.AsSpan(n * x.Length, x.Length), x, start.IsEmpty ? null : start[n]);
        }

        return y;
    }
}
