using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>One token through a mixture of one full network and rank-64 experts on it, against the full network alone.</summary>
[MemoryDiagnoser]
public class MixtureDecodeBenchmarks
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
        _x = Own(Inputs.Rows(1, hidden));
        _y = Own(new Activations(1, hidden));
        FullWeights root = new(Matrix(inner, hidden), Matrix(inner, hidden), Matrix(hidden, inner));
        _dense = new FeedForwardWeights(hidden, inner, [root], [new ExpertWeights(0, [])]);
        _mixture = new FeedForwardWeights(hidden, inner, [root], [.. Enumerable.Range(0, Most).Select(_ => new ExpertWeights(0, [new LowRankWeights(
            Matrix(Rank, hidden), Matrix(inner, Rank), Matrix(Rank, hidden), Matrix(inner, Rank), Matrix(Rank, inner), Matrix(hidden, Rank))]))]);
        for (int k = 1; k <= Most; k++)
        {
            _routing[k] = new RoutingTable(1, k);
            _routing[k].Set(0, [.. Enumerable.Range(0, k)], [.. Enumerable.Repeat(1f / k, k)]);
        }
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup() => _owned.ForEach(o => o.Dispose());

    [Benchmark(Baseline = true)]
    public void Dense() => _backend.FeedForward(_x, 1, _dense, null, _y);

    [Benchmark]
    public void Active1() => Mixture(1);

    [Benchmark]
    public void Active2() => Mixture(2);

    [Benchmark]
    public void Active3() => Mixture(3);

    [Benchmark]
    public void Active4() => Mixture(4);

    private void Mixture(int active) => _backend.FeedForward(_x, 1, _mixture, _routing[active], _y);

    private PackedMatrix Matrix(int rows, int columns) => Own(Inputs.Matrix(rows, columns, WeightFormat.BF16));

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
