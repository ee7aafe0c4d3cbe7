using FlexKernel.Kernels;

namespace FlexKernel.Caching;

/// <summary>Hands the blocks of a <see cref="KvStorage"/> to sequences, counts who shares each, and takes them back.</summary>
/// <remarks>Not thread-safe: the owner of the model serialises access.</remarks>
internal sealed class KvCache : IDisposable
{
    private readonly Stack<int> _free;
    private readonly int[] _references;
    private readonly int[] _retained;

    public KvCache(KvStorage storage)
    {
        Storage = storage;
        _references = new int[storage.BlockCount];
        _retained = new int[storage.BlockCount];
        _free = new Stack<int>(storage.BlockCount);
        for (int block = storage.BlockCount - 1; block >= 0; block--)
        {
            _free.Push(block);
        }
    }

    public KvStorage Storage { get; }

    /// <summary>Blocks that a sequence can have: free ones, and those that only ended sequences retain.</summary>
    public int FreeBlocks
    {
        get
        {
            int free = _free.Count;
            for (int block = 0; block < _references.Length; block++)
            {
                free += _references[block] > 0 && _references[block] == _retained[block] ? 1 : 0;
            }

            return free;
        }
    }

    /// <summary>Asked to end a retained sequence when no block is free; says whether there was one.</summary>
    public Func<bool>? Reclaim { get; set; }

    /// <summary>Takes a free block with one reference.</summary>
    /// <exception cref="KvCacheFullException">No block is free.</exception>
    public int Take()
    {
        int block;
        while (!_free.TryPop(out block))
        {
            if (Reclaim?.Invoke() != true)
            {
                throw new KvCacheFullException(Storage.BlockCount, Storage.BlockSize);
            }
        }

        _references[block] = 1;
        return block;
    }

    /// <summary>Adds a reference: the block is read-only from now on.</summary>
    public void Share(int block) => _references[block]++;

    /// <summary>Counts a holder that gives the block up when asked to (+1), or no longer is one (−1).</summary>
    public void Retain(int block, int change) => _retained[block] += change;

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
