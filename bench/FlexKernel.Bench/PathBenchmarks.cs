using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>One operation on every path, one thread, the scalar path as baseline; a path the machine lacks shows as NA.</summary>
[MemoryDiagnoser]
public abstract class PathBenchmarks
{
    private readonly Dictionary<KernelPath, Backend> _backends = [];
    private readonly List<IDisposable> _owned = [];

    /// <summary>Makes the inputs.</summary>
    [GlobalSetup]
    public void Setup()
    {
        foreach (KernelPath path in KernelPaths.All)
        {
            if (KernelPaths.IsSupported(path))
            {
                _backends[path] = Own(CpuBackend.Create(path, 1));
            }
        }

        Prepare();
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup() => _owned.ForEach(o => o.Dispose());

    [Benchmark(Baseline = true)]
    public void Scalar() => Run(_backends[KernelPath.Scalar]);

    [Benchmark]
    public void Bits128() => Run(_backends[KernelPath.Bits128]);

    [Benchmark]
    public void Bits256() => Run(_backends[KernelPath.Bits256]);

    [Benchmark]
    public void Bits512() => Run(_backends[KernelPath.Bits512]);

    protected abstract void Prepare();

    protected abstract void Run(Backend backend);

    protected T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
