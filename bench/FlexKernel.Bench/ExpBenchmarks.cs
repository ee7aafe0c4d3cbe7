using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>The exponential and silu over one row of an inner width, against the scalar exponential.</summary>
[MemoryDiagnoser]
public unsafe class ExpBenchmarks
{
    private Activations _x = null!, _y = null!;

    [Params(4096, 11008)]
    public int Width { get; set; }

    /// <summary>Makes the inputs.</summary>
    [GlobalSetup]
    public void Setup() => (_x, _y) = (Inputs.Rows(1, Width), new Activations(1, Width));

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _x.Dispose();
        _y.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void ExpScalar() => Exp<LanesScalar>();

    [Benchmark]
    public void Exp128() => Exp<Lanes128>();

    [Benchmark]
    public void Exp256() => Exp<Lanes256>();

    [Benchmark]
    public void Exp512() => Exp<Lanes512>();

    [Benchmark]
    public void SiluScalar() => Silu<LanesScalar>();

    [Benchmark]
    public void Silu128() => Silu<Lanes128>();

    [Benchmark]
    public void Silu256() => Silu<Lanes256>();

    [Benchmark]
    public void Silu512() => Silu<Lanes512>();

    private void Exp<TLanes>()
        where TLanes : struct, ILanes<TLanes>
    {
        for (int i = 0; i < Width; i += TLanes.Count)
        {
            TLanes.Store(Vectors.Exp(TLanes.Load(_x.Pointer + i)), _y.Pointer + i);
        }
    }

    private void Silu<TLanes>()
        where TLanes : struct, ILanes<TLanes>
    {
        for (int i = 0; i < Width; i += TLanes.Count)
        {
            TLanes.Store(Vectors.Silu(TLanes.Load(_x.Pointer + i)), _y.Pointer + i);
        }
    }
}
