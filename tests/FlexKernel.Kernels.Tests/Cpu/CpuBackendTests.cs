using Xunit;

namespace FlexKernel.Kernels.Tests.Cpu;

public sealed class CpuBackendScalarTests : CpuBackendTests<LanesScalar>;

public sealed class CpuBackend128Tests : CpuBackendTests<Lanes128>;

public sealed class CpuBackend256Tests : CpuBackendTests<Lanes256>;

public sealed class CpuBackend512Tests : CpuBackendTests<Lanes512>;

/// <summary>The backend's small operations, and products through it.</summary>
public abstract class CpuBackendTests<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private readonly Backend _backend;

    protected CpuBackendTests()
    {
        Paths.Require<TLanes>();
        _backend = CpuBackend.Create(Paths.Of<TLanes>(), 2);
    }

    public void Dispose()
    {
        _backend.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(WeightFormat.F32, 33)]
    [InlineData(WeightFormat.BF16, 40)]
    public void Embed_Tokens_ReadsTheirRows(WeightFormat format, int columns)
    {
        float[] table = new Numbers(1).Floats(50 * columns), kept = Reference.Kept(table, format);
        using PackedMatrix matrix = table.ToMatrix(50, columns, format);
        using Activations y = new Activations(4, columns).Fill(float.NaN);

        _backend.Embed(matrix, [49, 0, 31, 31], y);

        foreach ((int row, int token) in ((int, int)[])[(0, 49), (1, 0), (2, 31), (3, 31)])
        {
            Bits.Equal(kept.AsSpan(token * columns, columns), y.Row(row), $"row {row}");
            Bits.AllZero(y.Padding(row), $"row {row}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(100)]
    public void Add_EveryWidth_AddsRows(int columns)
    {
        Numbers numbers = new(2);
        float[] a = numbers.Floats(3 * columns), b = numbers.Floats(3 * columns);
        using Activations x = a.ToActivations(3, columns), residual = b.ToActivations(3, columns);

        _backend.Add(x, 2, residual);

        float[] expected = [.. b.Select((v, i) => i < 2 * columns ? v + a[i] : v)];
        Bits.Equal(expected, residual.ToArray(3), $"{columns} columns");
        Bits.AllZero(residual.Padding(0), "padding");
    }

    [Fact]
    public void GatherRows_AnyOrder_CopiesRows()
    {
        float[] values = new Numbers(3).Floats(5 * 33);
        using Activations x = values.ToActivations(5, 33), y = new Activations(3, 33).Fill(float.NaN);

        _backend.GatherRows(x, [4, 0, 4], y);

        Bits.Equal([.. values[(4 * 33)..], .. values[..33], .. values[(4 * 33)..]], y.ToArray(3), "gathered rows");
        Bits.AllZero(y.Padding(1), "padding");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(30)]
    public void Project_SeveralProducts_EqualsDefinition(int rows)
    {
        Numbers numbers = new((ulong)rows);
        float[] x = numbers.Floats(rows * 71), a = numbers.Floats(45 * 71), b = numbers.Floats(96 * 71), bias = numbers.Floats(96);
        using Activations source = x.ToActivations(rows, 71), biases = bias.ToActivations(1, 96);
        using Activations first = new Activations(rows, 45).Fill(float.NaN), second = new Activations(rows, 96).Fill(float.NaN);
        using PackedMatrix wide = a.ToMatrix(45, 71, WeightFormat.F32), narrow = b.ToMatrix(96, 71, WeightFormat.BF16);
        b = Reference.Kept(b, WeightFormat.BF16);

        _backend.Project(source, rows, [new Projection(wide, null, first), new Projection(narrow, biases, second)]);

        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> values = x.AsSpan(row * 71, 71);
            for (int n = 0; n < 96; n++)
            {
                Bits.Equal(Definition.Product(b.AsSpan(n * 71, 71), values) + bias[n], second.Row(row)[n], $"row {row}, output {n}");
                if (n < 45)
                {
                    Bits.Equal(Definition.Product(a.AsSpan(n * 71, 71), values), first.Row(row)[n], $"row {row}, output {n}");
                }
            }

            Bits.AllZero(first.Padding(row), $"row {row}");
        }
    }

    // An odd width: products read one value of the padding.
    [Fact]
    public void Embed_AfterARowOfNaN_LeavesNoTrace()
    {
        Numbers numbers = new(4);
        using PackedMatrix table = numbers.Floats(3 * 33).ToMatrix(3, 33, WeightFormat.F32), w = numbers.Floats(33 * 33).ToMatrix(33, 33, WeightFormat.F32);
        using Activations gain = numbers.Floats(33).ToActivations(1, 33), residual = new(1, 33), normed = new(1, 33), branch = new(1, 33), last = new(1, 33);
        float[] clean = Pass(false);

        Pass(true);

        Bits.Equal(clean, Pass(false), "the pass after the broken one");

        float[] Pass(bool broken)
        {
            _backend.Embed(table, [1], residual);
            if (broken)
            {
                residual.Row(0)[5] = float.NaN;
            }

            _backend.RmsNorm(residual, 1, gain, 1e-6f, normed);
            _backend.Project(normed, 1, [new Projection(w, null, branch)]);
            _backend.AddRmsNorm(branch, 1, gain, 1e-6f, residual);
            _backend.Add(branch, 1, residual);
            _backend.GatherRows(residual, [0], last);
            _backend.RmsNorm(last, 1, gain, 1e-6f, last);
            _backend.Project(last, 1, [new Projection(w, null, branch)]);
            return branch.ToArray(1);
        }
    }

    [Fact]
    public void Description_NamesPathAndThreads() => Assert.Equal(
        $"CPU, {(TLanes.Count == 1 ? "scalar" : $"{32 * TLanes.Count}-bit")} path, 2 threads", _backend.Description);

    [Fact]
    public void Dispose_Twice_IsHarmless()
    {
        _backend.Dispose();
        _backend.Dispose();
    }
}
