using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Caching;

public sealed class SequenceTests : IDisposable
{
    private const int Blocks = 8;
    private const int BlockSize = 64;
    private readonly ModelWeights _weights = ToyModel.Weights(WeightFormat.F32);
    private readonly Backend _backend = CpuBackend.Create(KernelPaths.Default, 1);
    private readonly Transformer _transformer;
    private readonly ForwardBatch _batch;

    public SequenceTests()
    {
        _transformer = new Transformer(_weights, _backend, new TransformerOptions { CacheTokens = Blocks * BlockSize, BlockSize = BlockSize });
        _batch = _transformer.CreateBatch();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(130)]
    public void Fork_SharedPrefix_GivesTheBitsOfARecomputedOne(int shared)
    {
        int[] prefix = ToyModel.Tokens(0)[..140], continuation = [9, 8, 7];
        using Sequence original = _transformer.StartSequence();
        Run(original, prefix);
        using Sequence fork = original.Fork(shared);
        using Sequence fresh = _transformer.StartSequence();
        int[] tokens = [.. prefix[..shared], .. continuation];

        float[] forked = Run(fork, continuation), recomputed = Run(fresh, tokens);

        Assert.Equal(recomputed, forked);
        Assert.Equal(shared + continuation.Length, fork.Length);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(64, 1)]
    [InlineData(65, 2)]
    [InlineData(139, 3)]
    [InlineData(140, 3)]
    public void Truncate_ThenWritten_GivesTheBitsOfARecomputedOneAndTheBlocksBack(int length, int blocks)
    {
        int[] tokens = ToyModel.Tokens(0)[..140], continuation = [9, 8, 7];
        using Sequence sequence = _transformer.StartSequence(), fresh = _transformer.StartSequence();
        Run(sequence, tokens);

        sequence.Truncate(length);

        Assert.Equal((length, Blocks - blocks), (sequence.Length, _transformer.FreeCacheBlocks));
        Assert.Equal(Run(fresh, [.. tokens[..length], .. continuation]), Run(sequence, continuation));
        Assert.Throws<ArgumentOutOfRangeException>(() => sequence.Truncate(sequence.Length + 1));
    }

    [Fact]
    public void Fork_Written_LeavesTheOriginalAlone()
    {
        int[] prefix = ToyModel.Tokens(0)[..100];
        using Sequence original = _transformer.StartSequence(), untouched = _transformer.StartSequence();
        Run(original, prefix);
        Run(untouched, prefix);
        using (Sequence fork = original.Fork(100))
        {
            Run(fork, [1, 2, 3, 4]);
        }

        Assert.Equal(Run(untouched, [50]), Run(original, [50]));
    }

    [Fact]
    public void Dispose_SharedBlocks_AreFreedWithTheLastOwner()
    {
        Sequence original = _transformer.StartSequence();
        Run(original, ToyModel.Tokens(0)[..128]);
        Sequence fork = original.Fork(128);
        Assert.Equal(Blocks - 2, _transformer.FreeCacheBlocks);

        original.Dispose();
        Assert.Equal(Blocks - 2, _transformer.FreeCacheBlocks);
        fork.Dispose();
        Assert.Equal(Blocks, _transformer.FreeCacheBlocks);
    }

    [Fact]
    public void Add_NoFreeBlock_ThrowsAndRecoversWhenOneIsFreed()
    {
        using Sequence large = _transformer.StartSequence();
        Run(large, ToyModel.Tokens(0)[..256]);
        Run(large, ToyModel.Tokens(0)[..256]);
        using Sequence small = _transformer.StartSequence();
        _batch.Clear();

        Assert.Throws<KvCacheFullException>(() => _batch.Add(small, [1], LogitRows.Last));

        large.Dispose();
        Assert.Equal(ToyModel.Description.VocabularySize, Run(small, [1]).Length);
    }

    [Fact]
    public void Add_Misuse_Throws()
    {
        using Sequence sequence = _transformer.StartSequence();
        _batch.Clear();
        _batch.Add(sequence, [1, 2], LogitRows.None);
        Assert.Throws<ArgumentException>(() => _batch.Add(sequence, [3], LogitRows.Last));
        _batch.Clear();
        Assert.Throws<ArgumentException>(() => _batch.Add(sequence, new int[513], LogitRows.Last));
        _batch.Clear();
        _batch.Add(sequence, [ToyModel.Description.VocabularySize], LogitRows.Last);
        Assert.Throws<ArgumentException>(() => _transformer.Forward(_batch));
        Assert.Throws<ArgumentOutOfRangeException>(() => sequence.Fork(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void StartSequence_KOutOfRange_Throws(int k) =>
        Assert.Throws<ArgumentException>(() => _transformer.StartSequence(activeExperts: k));

    public void Dispose()
    {
        _batch.Dispose();
        _transformer.Dispose();
        _backend.Dispose();
        _weights.Dispose();
    }

    private float[] Run(Sequence sequence, int[] tokens)
    {
        _batch.Clear();
        _batch.Add(sequence, tokens, LogitRows.Last);
        _transformer.Forward(_batch);
        return _batch.Logits(0).ToArray();
    }
}
