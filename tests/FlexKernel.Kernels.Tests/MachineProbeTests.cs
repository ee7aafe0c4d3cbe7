using Xunit;

namespace FlexKernel.Kernels.Tests;

[Collection(nameof(Alone))]
public sealed class MachineProbeTests
{
    // No time is asserted, only what follows from the definitions: a probe that measures nothing gives zero or infinity.
    public static TheoryData<KernelPath> Supported => [.. Paths.Supported];

    [Theory]
    [MemberData(nameof(Supported))]
    public void Peaks_EveryPath_AreRatesOfAProcessor(KernelPath path)
    {
        const double Least = 1e7, Most = 1e14;
        Assert.InRange(MachineProbe.ReadBandwidth(path, 2, 1 << 20, repetitions: 1), Least, Most);
        Assert.InRange(MachineProbe.FusedMultiplyAddPeak(path, 1, repetitions: 1), Least, Most);
        Assert.InRange(MachineProbe.Int8DotPeak(path, 1, repetitions: 1), Least, Most);
        Assert.InRange(MachineProbe.Int16DotPeak(path, 1, repetitions: 1), Least, Most);
    }

    [Fact]
    public void Regions_AndRoundTrips_TakeTime()
    {
        Assert.SkipUnless(Environment.ProcessorCount > 1, "a round trip between cores needs two processors");
        Assert.InRange(MachineProbe.CoreRoundTrip(repetitions: 1), 1e-10, 1);
        Assert.InRange(MachineProbe.EmptyRegion(2, repetitions: 1), 1e-10, 1);
    }
}
