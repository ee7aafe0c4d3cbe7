using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>RMS norm of one row.</summary>
public class RmsNormBenchmarks : PathBenchmarks
{
    private Activations _x = null!, _gain = null!, _y = null!;

    [Params(1024, 4096)]
    public int Width { get; set; }

    protected override void Prepare()
    {
        _x = Own(Inputs.Rows(1, Width));
        _gain = Own(Inputs.Rows(1, Width));
        _y = Own(new Activations(1, Width));
    }

    protected override void Run(Backend backend) => backend.RmsNorm(_x, 1, _gain, 1e-6f, _y);
}
