using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>Relates lane types to paths and skips what this machine lacks.</summary>
internal static class Paths
{
    /// <summary>The paths this machine has the instructions of.</summary>
    public static KernelPath[] Supported { get; } = [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)];

    public static KernelPath Of<TLanes>()
        where TLanes : struct, ILanes<TLanes> => TLanes.Count switch
        {
            16 => KernelPath.Bits512,
            8 => KernelPath.Bits256,
            4 => KernelPath.Bits128,
            _ => KernelPath.Scalar,
        };

    /// <summary>Skips the calling test where the machine lacks the path.</summary>
    public static void Require<TLanes>()
        where TLanes : struct, ILanes<TLanes>
    {
        KernelPath path = Of<TLanes>();
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"the path {KernelPaths.Name(path)} needs more than this machine has ({KernelPaths.Describe()})");
    }
}
