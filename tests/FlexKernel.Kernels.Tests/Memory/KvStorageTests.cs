using Xunit;

namespace FlexKernel.Kernels.Tests.Memory;

public sealed unsafe class KvStorageTests
{
    [Fact]
    public void CopyBlock_AllLayers_CopiesTheBlockAndNothingElse()
    {
        using KvStorage cache = new(2, 3, 10, 4, 64);
        int keys = 3 * 64 * 10, values = 3 * 64 * cache.ValueStride;
        for (int layer = 0; layer < 2; layer++)
        {
            for (int block = 0; block < 4; block++)
            {
                new Span<float>(cache.Keys(layer, block, 0), keys).Fill(10 * layer + block);
                new Span<float>(cache.Values(layer, block, 0), values).Fill(100 + 10 * layer + block);
            }
        }

        cache.CopyBlock(1, 3);

        for (int layer = 0; layer < 2; layer++)
        {
            foreach ((int block, int content) in ((int, int)[])[(0, 0), (1, 1), (2, 2), (3, 1)])
            {
                Assert.Equal(-1, new ReadOnlySpan<float>(cache.Keys(layer, block, 0), keys).IndexOfAnyExcept(10f * layer + content));
                Assert.Equal(-1, new ReadOnlySpan<float>(cache.Values(layer, block, 0), values).IndexOfAnyExcept(100f + 10 * layer + content));
            }
        }
    }

    [Fact]
    public void CopyBlock_OntoItself_ChangesNothing()
    {
        using KvStorage cache = new(1, 1, 8, 2, 64);
        new Span<float>(cache.Keys(0, 1, 0), 64 * 8).Fill(3);
        cache.CopyBlock(1, 1);
        Assert.Equal(-1, new ReadOnlySpan<float>(cache.Keys(0, 1, 0), 64 * 8).IndexOfAnyExcept(3f));
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    [InlineData(2, 0)]
    [InlineData(0, 2)]
    public void CopyBlock_NotABlock_Throws(int source, int destination)
    {
        using KvStorage cache = new(1, 1, 8, 2, 64);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.CopyBlock(source, destination));
    }

    [Theory]
    [InlineData(0, 1, 8, 1, 64)]
    [InlineData(1, 0, 8, 1, 64)]
    [InlineData(1, 1, 0, 1, 64)]
    [InlineData(1, 1, 8, 0, 64)]
    [InlineData(1, 1, 8, 1, 32)]
    [InlineData(1, 1, 8, 1, 100)]
    [InlineData(1, 1, 8, 1, 512)]
    public void Constructor_WrongSize_Throws(int layers, int heads, int dimension, int blocks, int blockSize) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KvStorage(layers, heads, dimension, blocks, blockSize));

    [Fact]
    public void ByteCount_CountsKeysAndPaddedValuesOfAllLayers()
    {
        using KvStorage cache = new(2, 3, 10, 4, 128);
        Assert.Equal(2L * 4 * 3 * 128 * (10 + 16) * 4, cache.ByteCount);
        Assert.Equal((2, 3, 10, 4, 128), (cache.Layers, cache.Heads, cache.HeadDimension, cache.BlockCount, cache.BlockSize));
    }
}
