using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class NativeMemoryPoolTests
{
    [Fact]
    public void Take_AfterReturn_GivesThePieceUpToHalfEmpty()
    {
        using NativeMemoryPool pool = new();
        NativeMemoryOwner first = pool.Take(1000);
        pool.Return(first);

        Assert.Same(first, pool.Take(500));
        pool.Return(first);
        NativeMemoryOwner small = pool.Take(499);
        Assert.NotSame(first, small);
        Assert.Same(first, pool.Take(1000));
        small.Dispose();
        first.Dispose();
    }

    [Fact]
    public void Take_SlightlyLarger_ReplacesTheSmallerPiece()
    {
        using NativeMemoryPool pool = new();
        NativeMemoryOwner old = pool.Take(1000);
        pool.Return(old);

        using NativeMemoryOwner larger = pool.Take(1001);

        Assert.Throws<ObjectDisposedException>(Address);
        Assert.True(larger.ByteCount >= 1001);

        unsafe void Address() => _ = old.Pointer;
    }

    [Fact]
    public void Activations_FromAPool_HaveZeroPadding()
    {
        using NativeMemoryPool pool = new();
        Activations dirty = new(3, 32, pool);
        Enumerable.Range(0, 3).ToList().ForEach(row => dirty.Row(row).Fill(float.NaN));
        dirty.Dispose();

        using Activations next = new(3, 7, pool);

        Assert.Throws<ObjectDisposedException>(() => dirty.Row(0));
        Assert.Equal(25, Padding(next, 2).Count(value => value == 0f));

        static unsafe float[] Padding(Activations x, int row) => new Span<float>(x.RowPointer(row) + x.Columns, x.Stride - x.Columns).ToArray();
    }
}
