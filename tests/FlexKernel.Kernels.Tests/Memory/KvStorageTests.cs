using Xunit;

namespace FlexKernel.Kernels.Tests.Memory;

public sealed unsafe class KvStorageTests
{
    [Theory]
    [InlineData(KvFormat.F32)]
    [InlineData(KvFormat.BF16)]
    [InlineData(KvFormat.F16)]
    [InlineData(KvFormat.Q8)]
    public void CopyBlock_AllLayers_CopiesTheBlockAndNothingElse(KvFormat format)
    {
        using KvStorage cache = new(2, 3, 10, 4, 64, format);
        int keys = (int)(3 * cache.KeyHeadBytes), values = (int)(3 * cache.ValueHeadBytes);
        for (int layer = 0; layer < 2; layer++)
        {
            for (int block = 0; block < 4; block++)
            {
                new Span<byte>(cache.Keys(layer, block, 0), keys).Fill((byte)(10 * layer + block));
                new Span<byte>(cache.Values(layer, block, 0), values).Fill((byte)(100 + 10 * layer + block));
            }
        }

        cache.CopyBlock(1, 3);

        for (int layer = 0; layer < 2; layer++)
        {
            foreach ((int block, int content) in ((int, int)[])[(0, 0), (1, 1), (2, 2), (3, 1)])
            {
                Assert.Equal(-1, new ReadOnlySpan<byte>(cache.Keys(layer, block, 0), keys).IndexOfAnyExcept((byte)(10 * layer + content)));
                Assert.Equal(-1, new ReadOnlySpan<byte>(cache.Values(layer, block, 0), values).IndexOfAnyExcept((byte)(100 + 10 * layer + content)));
            }
        }
    }

    [Fact]
    public void CopyBlock_OntoItself_ChangesNothing()
    {
        using KvStorage cache = new(1, 1, 8, 2, 64);
        new Span<byte>(cache.Keys(0, 1, 0), (int)cache.KeyHeadBytes).Fill(3);
        cache.CopyBlock(1, 1);
        Assert.Equal(-1, new ReadOnlySpan<byte>(cache.Keys(0, 1, 0), (int)cache.KeyHeadBytes).IndexOfAnyExcept((byte)3));
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
    public void Constructor_UnknownFormat_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KvStorage(1, 1, 8, 1, 64, (KvFormat)9));

    [Theory]
    [InlineData(KvFormat.F32, 4 * (10 + 32))]
    [InlineData(KvFormat.BF16, 2 * (10 + 32))]
    [InlineData(KvFormat.F16, 2 * (10 + 32))]
    [InlineData(KvFormat.Q8, 10 + 4 + 32 + 4)]
    public void ByteCount_CountsKeysPaddedValuesAndScalesOfAllLayers(KvFormat format, int bytesPerPosition)
    {
        using KvStorage cache = new(2, 3, 10, 4, 128, format);
        Assert.Equal(2L * 4 * 3 * 128 * bytesPerPosition, cache.ByteCount);
        Assert.Equal((2, 3, 10, 4, 128, format), (cache.Layers, cache.Heads, cache.HeadDimension, cache.BlockCount, cache.BlockSize, cache.Format));
    }
}
