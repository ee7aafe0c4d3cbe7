using FlexKernel.Kernels;

namespace FlexKernel.Caching;

/// <summary>Hands the blocks of a <see cref="KvStorage"/> to sequences, counts who shares each, and takes them back.</summary>
/// <remarks>Not thread-safe: the owner of the model serialises access.</remarks>
internal sealed class KvCache : IDisposable
{
    private readonly Stack<int> _free;
    private readonly int[] _references;

    public KvCache(KvStorage storage)
    {
        Storage = storage;
        _references = new int[storage.BlockCount];
        _free = new Stack<int>(storage.BlockCount);
        for (int block = storage.BlockCount - 1; block >= 0; block--)
        {
            _free.Push(block);
        }
    }

    public KvStorage Storage { get; }

    public int FreeBlocks => _free.Count;

    /// <summary>Takes a free block with one reference.</summary>
    /// <exception cref="KvCacheFullException">No block is free.</exception>
    public int Take()
    {
        if (!_free.TryPop(out int block))
        {
            throw new KvCacheFullException(Storage.BlockCount, Storage.BlockSize);
        }

        _references[block] = 1;
        return block;
    }

    /// <summary>Adds a reference: the block is read-only from now on.</summary>
    public void Share(int block) => _references[block]++;

    /// <summary>Drops a reference; the last one frees the block.</summary>
    public void Release(int block)
    {
        if (--_references[block] == 0)
        {
            _free.Push(block);
        }
    }

    public void Dispose() => Storage.Dispose();
}

/// <summary>The key/value cache has no block left for another token.</summary>
public sealed class KvCacheFullException : InvalidOperationException
{
    /// <summary>Describes a full cache.</summary>
    public KvCacheFullException(int blocks, int blockSize)
        : base($"The key/value cache is full: all {blocks} blocks of {blockSize} positions are in use. End a sequence or load with a larger cache.")
    {
    }
}
