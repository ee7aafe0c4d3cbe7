using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>One token.</summary>
public class MixtureDecodeBenchmarks : MixtureBenchmarks
{
    protected override int Rows => 1;
}

/// <summary>A piece of prefill.</summary>
public class MixturePrefillBenchmarks : MixtureBenchmarks
{
    protected override int Rows => 128;
}

/// <summary>Tokens through a mixture of one full network and rank-64 experts on it, against the full network alone.</summary>
[MemoryDiagnoser]
public abstract class MixtureBenchmarks
{
    private const int Rank = 64, Most = 4;

    private readonly List<IDisposable> _owned = [];
    private readonly RoutingTable[] _routing = new RoutingTable[Most + 1];
    private Backend _backend = null!;
    private FeedForwardWeights _dense = null!, _mixture = null!;
    private Activations _x = null!, _y = null!;

    [Params(KernelPath.Bits256, KernelPath.Bits512)]
    public KernelPath Path { get; set; }

    /// <summary>Hidden and inner width.</summary>
    [Params("1024x4096", "4096x11008")]
    public string Shape { get; set; } = "";

    /// <summary>Of the full network; the factors stay bfloat16.</summary>
    [Params(WeightFormat.BF16, WeightFormat.Q8, WeightFormat.Q4)]
    public WeightFormat Format { get; set; }

    protected abstract int Rows { get; }

    /// <summary>Makes the weights; the routed experts are the low-rank ones.</summary>
    [GlobalSetup]
    public void Setup()
    {
        if (!KernelPaths.IsSupported(Path))
        {
            throw new PlatformNotSupportedException($"This processor lacks the path {KernelPaths.Name(Path)}.");
        }

        int[] shape = [.. Shape.Split('x').Select(int.Parse)];
        (int hidden, int inner) = (shape[0], shape[1]);
        _backend = Own(CpuBackend.Create(Path, 1));
        _x = Own(Inputs.Rows(Rows, hidden));
        _y = Own(new Activations(Rows, hidden));
        FullWeights root = new(Full(inner, hidden), Full(inner, hidden), Full(hidden, inner));
        _dense = new FeedForwardWeights(hidden, inner, [root], [new ExpertWeights(0, [])]);
        _mixture = new FeedForwardWeights(hidden, inner, [root], [.. Enumerable.Range(0, Most).Select(_ => new ExpertWeights(0, [new LowRankWeights(
            Factor(Rank, hidden), Factor(inner, Rank), Factor(Rank, hidden), Factor(inner, Rank), Factor(Rank, inner), Factor(hidden, Rank))]))]);
        for (int k = 1; k <= Most; k++)
        {
            _routing[k] = new RoutingTable(Rows, k);
            for (int row = 0; row < Rows; row++)
            {
                _routing[k].Set(row, [.. Enumerable.Range(0, k)], [.. Enumerable.Repeat(1f / k, k)]);
            }
        }
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup() => _owned.ForEach(o => o.Dispose());

    [Benchmark(Baseline = true)]
    public void Dense() => _backend.FeedForward(_x, Rows, _dense, null, _y);

    [Benchmark]
    public void Active1() => Mixture(1);

    [Benchmark]
    public void Active2() => Mixture(2);

    [Benchmark]
    public void Active3() => Mixture(3);

    [Benchmark]
    public void Active4() => Mixture(4);

    private void Mixture(int active) => _backend.FeedForward(_x, Rows, _mixture, _routing[active], _y);

    private PackedMatrix Full(int rows, int columns) => Own(Inputs.Matrix(rows, columns, Format));

    private PackedMatrix Factor(int rows, int columns) => Own(Inputs.Matrix(rows, columns, WeightFormat.BF16));

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
