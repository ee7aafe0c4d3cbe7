namespace FlexKernel.Kernels;

/// <summary>Measures what this machine can do at most, on the path in use: the ceilings that speeds are reported against.</summary>
public static class MachineProbe
{
    /// <summary>Bytes per second that all threads together read from memory.</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="byteCount">Size of the memory read once per repetition; several times the last cache.</param>
    /// <param name="repetitions">Repetitions; the best counts.</param>
    public static double ReadBandwidth(KernelPath path, int threads, long byteCount = 512L << 20, int repetitions = 5) => path switch
    {
        KernelPath.Bits512 => ReadProbe<Lanes512>.Bandwidth(threads, byteCount, repetitions),
        KernelPath.Bits256 => ReadProbe<Lanes256>.Bandwidth(threads, byteCount, repetitions),
        KernelPath.Bits128 => ReadProbe<Lanes128>.Bandwidth(threads, byteCount, repetitions),
        _ => ReadProbe<LanesScalar>.Bandwidth(threads, byteCount, repetitions),
    };

    /// <summary>Floating-point operations per second that all threads together reach with fused multiply-adds (two operations each).</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="repetitions">Repetitions; the best counts.</param>
    public static double FusedMultiplyAddPeak(KernelPath path, int threads, int repetitions = 5) => path switch
    {
        KernelPath.Bits512 => MultiplyAddProbe<Lanes512>.Peak(threads, repetitions),
        KernelPath.Bits256 => MultiplyAddProbe<Lanes256>.Peak(threads, repetitions),
        KernelPath.Bits128 => MultiplyAddProbe<Lanes128>.Peak(threads, repetitions),
        _ => MultiplyAddProbe<LanesScalar>.Peak(threads, repetitions),
    };

    /// <summary>
    /// Operations per second that all threads together reach with products of 8-bit integers added up in 32 bits (two operations each), by
    /// the best instructions a path can issue.
    /// </summary>
    /// <inheritdoc cref="FusedMultiplyAddPeak"/>
    public static double Int8DotPeak(KernelPath path, int threads, int repetitions = 5) => DotProbe.Int8Peak(path, threads, repetitions);

    /// <summary>
    /// Operations per second that all threads together reach with products of 16-bit integers added up in 32 bits (two operations each).
    /// </summary>
    /// <inheritdoc cref="FusedMultiplyAddPeak"/>
    public static double Int16DotPeak(KernelPath path, int threads, int repetitions = 5) => DotProbe.Int16Peak(path, threads, repetitions);

    /// <summary>Seconds in which a cache line goes from one core to another and back.</summary>
    /// <param name="repetitions">Repetitions of some thousand round trips; the median counts.</param>
    /// <exception cref="PlatformNotSupportedException">There is one processor only.</exception>
    public static double CoreRoundTrip(int repetitions = 15) => ThreadProbe.CoreRoundTrip(repetitions);

    /// <summary>Seconds of a parallel region of <see cref="WorkerTeam"/> in which nobody has anything to do.</summary>
    /// <remarks>The fastest regions are those that the caller ends alone, since the others were not running: the median counts.</remarks>
    /// <param name="threads">Workers.</param>
    /// <param name="repetitions">Repetitions of some thousand regions.</param>
    public static double EmptyRegion(int threads, int repetitions = 15) => ThreadProbe.EmptyRegion(threads, repetitions);
}
