using Xunit;

namespace FlexKernel.Kernels.Tests.Memory;

public sealed unsafe class ArenaTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 64)]
    [InlineData(16, 64)]
    [InlineData(17, 128)]
    [InlineData(1L << 40, 1L << 42)]
    public void Size_AnyCount_IsWholeLines(long floats, long bytes) => Assert.Equal(bytes, Arena.Size<float>(floats));

    [Fact]
    public void Take_SeveralPieces_AreAlignedAndApart()
    {
        using Arena arena = new();
        arena.Reset(Arena.Size<int>(3) + Arena.Size<float>(17));
        int* first = arena.Take<int>(3);
        float* second = arena.Take<float>(17);
        Assert.Equal(0, (long)first % 64);
        Assert.Equal(64, (byte*)second - (byte*)first);
    }

    [Fact]
    public void Take_MoreThanReset_Throws()
    {
        using Arena arena = new();
        arena.Reset(128);
        arena.Take<float>(16);
        Assert.Throws<InvalidOperationException>(() => { arena.Take<float>(17); });
    }

    [Fact]
    public void Reset_Smaller_KeepsTheMemory()
    {
        using Arena arena = new();
        arena.Reset(1 << 16);
        float* before = arena.Take<float>(100);
        arena.Reset(64);
        Assert.True(before == arena.Take<float>(1 << 14));
    }

    [Fact]
    public void Reset_RefusedByTheSystem_LeavesAUsableArena()
    {
        using Arena arena = new();
        arena.Reset(1024);
        Assert.Throws<OutOfMemoryException>(() => arena.Reset(1L << 60));
        arena.Reset(1024);
        arena.Take<float>(256)[255] = 1f;
    }
}
