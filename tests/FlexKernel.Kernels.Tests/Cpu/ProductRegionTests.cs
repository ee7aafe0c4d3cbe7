using Xunit;

namespace FlexKernel.Kernels.Tests.Cpu;

public sealed class ProductRegionScalarTests : ProductRegionTests<LanesScalar>;

public sealed class ProductRegion128Tests : ProductRegionTests<Lanes128>;

public sealed class ProductRegion256Tests : ProductRegionTests<Lanes256>;

public sealed class ProductRegion512Tests : ProductRegionTests<Lanes512>;

/// <summary>Regions of several products: gathered rows, biases, any number of workers.</summary>
public abstract unsafe class ProductRegionTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    protected ProductRegionTests() => Paths.Require<TLanes>();

    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 40)]
    [InlineData(3, 20)]
    [InlineData(8, 6)]
    public void RunProducts_AnyWorkers_EqualsDefinition(int workers, int regions)
    {
        using WorkerTeam team = new(workers);
        using ProductRegion<TLanes> region = new(team);
        using Arena arena = new();
        for (int seed = 1; seed <= regions; seed++)
        {
            Numbers numbers = new((ulong)seed);
            int columns = numbers.Int(1, 300), sourceRows = numbers.Int(1, 40), count = numbers.Int(1, 4);
            float[] x = numbers.Floats(sourceRows * columns);
            using Activations source = x.ToActivations(sourceRows, columns);
            arena.Reset(4 * (Arena.Size<float>(PackedRows.Size(40, columns)) + Arena.Size<int>(40)));
            List<Case> cases = [];
            for (int i = 0; i < count; i++)
            {
                Case c = new(numbers, sourceRows, columns);
                cases.Add(c);
                int* index = null;
                if (c.Index is not null)
                {
                    index = arena.Take<int>(c.Rows);
                    c.Index.CopyTo(new Span<int>(index, c.Rows));
                }

                c.Packed = region.Pack(source.Pointer, source.Stride, index, c.Rows, columns, arena.Take<float>(PackedRows.Size(c.Rows, columns)));
            }

            region.RunPackings();
            foreach (Case c in cases)
            {
                region.Multiply(c.Packed, c.Matrix, c.Y.Pointer, c.Y.Stride, c.Bias);
            }

            region.RunProducts();

            foreach (Case c in cases)
            {
                c.Check(x, columns, $"{workers} workers, seed {seed}");
                c.Dispose();
            }
        }
    }

    [Fact]
    public void RunProducts_AfterFailure_RunsOnlyWhatIsQueuedLater()
    {
        using WorkerTeam team = new(1);
        using ProductRegion<TLanes> region = new(team);
        float[] w = new Numbers(1).Floats(8), x = new Numbers(2).Floats(8);
        using Activations source = x.ToActivations(1, 8), y = new Activations(1, 1);
        using PackedMatrix matrix = w.ToMatrix(1, 8, WeightFormat.F32), freed = new(1, 8, WeightFormat.F32);
        freed.Dispose();
        PackedRows packed = region.Pack(source.Pointer, source.Stride, null, 1, 8, null);
        region.Multiply(packed, freed, y.Pointer, y.Stride);
        Assert.Throws<ObjectDisposedException>(region.RunProducts);

        region.Multiply(packed, matrix, y.Pointer, y.Stride);
        region.RunProducts();

        Bits.Equal(Definition.Product(w, x), y.Row(0)[0], "the product after the failure");
    }

    private sealed class Case : IDisposable
    {
        private readonly float[] _weights;
        private readonly float[]? _bias;

        public Case(Numbers numbers, int sourceRows, int columns)
        {
            int outputs = numbers.Int(1, 150);
            WeightFormat format = numbers.OneIn(2) ? WeightFormat.F32 : WeightFormat.BF16;
            float[] raw = numbers.Floats(outputs * columns);
            _weights = Reference.Kept(raw, format);
            Matrix = raw.ToMatrix(outputs, columns, format);
            _bias = numbers.OneIn(2) ? numbers.Floats(outputs) : null;
            Bias = _bias?.ToActivations(1, outputs);
            Rows = numbers.OneIn(3) ? 1 : sourceRows;
            if (numbers.OneIn(2))
            {
                Index = [.. Enumerable.Range(0, Rows).Select(_ => numbers.Int(0, sourceRows - 1))];
            }

            Y = new Activations(Rows, outputs).Fill(float.NaN);
        }

        public PackedMatrix Matrix { get; }

        public Activations? Bias { get; }

        public int[]? Index { get; }

        public int Rows { get; }

        public Activations Y { get; }

        public PackedRows Packed { get; set; }

        public void Check(float[] x, int columns, string where)
        {
            for (int row = 0; row < Rows; row++)
            {
                ReadOnlySpan<float> values = x.AsSpan((Index?[row] ?? row) * columns, columns);
                for (int n = 0; n < Matrix.Rows; n++)
                {
                    float product = Definition.Product(_weights.AsSpan(n * columns, columns), values);
                    Bits.Equal(_bias is null ? product : product + _bias[n], Y.Row(row)[n], $"{where}, row {row}, output {n}");
                }

                Bits.AllZero(Y.Padding(row), where);
            }
        }

        public void Dispose()
        {
            Matrix.Dispose();
            Bias?.Dispose();
            Y.Dispose();
        }
    }
}
