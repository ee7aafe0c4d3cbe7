using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>Tests that run beside no other: allocation is counted over the whole process, and starved workers would test the scheduler.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone
{
    /// <summary>Fails when every one of ten runs of an action allocates; the test runner's own threads may do so in some of them.</summary>
    public static void AssertAllocatesNothing(Action action)
    {
        long least = long.MaxValue;
        for (int i = 0; i < 10 && least > 0; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            action();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.Equal(0, least);
    }
}
