using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>Matrix-vector product: one row. The smaller matrices stay in the cache, the last does not.</summary>
public class MatVecBenchmarks : ProductBenchmarks
{
    protected override int Rows => 1;
}

/// <summary>Products of a few rows: a draft being verified, a small batch, the rows one expert gets.</summary>
public class SmallProductBenchmarks : ProductBenchmarks
{
    [Params(2, 4, 8, 11)]
    public int RowCount { get; set; }

    protected override int Rows => RowCount;
}

/// <summary>Matrix-matrix product of a piece of prefill.</summary>
public class GemmBenchmarks : ProductBenchmarks
{
    protected override int Rows => 120;
}

/// <summary>Products of activations with one packed matrix [outputs, inputs].</summary>
public abstract class ProductBenchmarks : PathBenchmarks
{
    private PackedMatrix _matrix = null!;
    private Activations _x = null!, _y = null!;

    [Params("1024x1024", "4096x1024", "11008x4096")]
    public string Shape { get; set; } = "";

    [Params(WeightFormat.F32, WeightFormat.BF16, WeightFormat.Q8, WeightFormat.Q4, WeightFormat.Q4C)]
    public WeightFormat Format { get; set; }

    protected abstract int Rows { get; }

    protected override void Prepare()
    {
        int[] shape = [.. Shape.Split('x').Select(int.Parse)];
        _matrix = Own(Inputs.Matrix(shape[0], shape[1], Format));
        _x = Own(Inputs.Rows(Rows, shape[1]));
        _y = Own(new Activations(Rows, shape[0]));
    }

    protected override void Run(Backend backend) => backend.Project(_x, Rows, [new Projection(_matrix, null, _y)]);
}
