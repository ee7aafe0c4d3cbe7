using Xunit;

namespace FlexKernel.Kernels.Tests.Memory;

public sealed unsafe class ActivationsTests
{
    [Theory]
    [InlineData(1, 32)]
    [InlineData(32, 32)]
    [InlineData(33, 64)]
    [InlineData(2048, 2080)]
    public void Constructor_AnyWidth_IsZeroAndPadded(int columns, int stride)
    {
        using Activations activations = new(3, columns);
        Assert.Equal((3, columns, stride, 3 * stride * 4L), (activations.Rows, activations.Columns, activations.Stride, activations.ByteCount));
        Assert.Equal(0, (long)activations.Pointer % 64);
        Bits.AllZero(new ReadOnlySpan<float>(activations.Pointer, 3 * stride), "new activations");
    }

    // Above 4 MiB other pages are used.
    [Fact]
    public void Constructor_LargeBlock_IsZeroAndAligned()
    {
        using Activations activations = new(1100, 1024);
        Assert.Equal(0, (long)activations.Pointer % (2 << 20));
        Bits.AllZero(new ReadOnlySpan<float>(activations.Pointer, 1100 * 1024), "new activations");
    }

    [Fact]
    public void Row_EveryRow_IsItsOwn()
    {
        using Activations activations = new(3, 5);
        for (int row = 0; row < 3; row++)
        {
            Assert.Equal(5, activations.Row(row).Length);
            activations.Row(row).Fill(row + 1);
        }

        Assert.Equal([1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3], activations.ToArray(3));
        Bits.AllZero(activations.Padding(1), "padding");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void Row_NotARow_Throws(int row)
    {
        using Activations activations = new(3, 5);
        Assert.Throws<ArgumentOutOfRangeException>(() => { activations.Row(row); });
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(-1, 1)]
    public void Constructor_Empty_Throws(int rows, int columns) => Assert.ThrowsAny<ArgumentException>(() => new Activations(rows, columns));

    [Fact]
    public void Row_AfterDispose_Throws()
    {
        Activations activations = new(3, 5);
        activations.Dispose();
        activations.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { activations.Row(0); });
    }
}
