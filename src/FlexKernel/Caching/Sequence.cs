using FlexKernel.Kernels;

namespace FlexKernel.Caching;

/// <summary>One text being read and written by a model: its length and its cache blocks.</summary>
/// <remarks>Not thread-safe, and to be disposed before its model; disposing gives the cache blocks back.</remarks>
public sealed class Sequence : IDisposable
{
    private readonly KvCache _cache;
    private readonly int[] _blocks;
    private int _blockCount;
    private bool _isRetained;

    internal Sequence(KvCache cache, int maxLength, RoutingPolicy routing)
    {
        _cache = cache;
        MaxLength = maxLength;
        Routing = routing;
        _blocks = new int[(maxLength + BlockSize - 1) / BlockSize];
    }

    /// <summary>Tokens processed so far: the position of the next one.</summary>
    public int Length { get; private set; }

    /// <summary>The most tokens the sequence can hold.</summary>
    public int MaxLength { get; }

    /// <summary>The experts this sequence may use.</summary>
    public RoutingPolicy Routing { get; }

    internal int[] Blocks => _blocks;

    private int BlockSize => _cache.Storage.BlockSize;

    /// <summary>Starts a sequence that shares this one's first tokens: whole blocks by reference, the rest of a block by copy.</summary>
    /// <param name="length">How many tokens to share; at most <see cref="Length"/>.</param>
    public Sequence Fork(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Sequence fork = new(_cache, MaxLength, Routing);
        int whole = length / BlockSize;
        for (int i = 0; i < whole; i++)
        {
            _cache.Share(_blocks[i]);
            fork._blocks[fork._blockCount++] = _blocks[i];
        }

        try
        {
            fork.Reserve(length);
        }
        catch (KvCacheFullException)
        {
            fork.Dispose();
            throw;
        }

        if (length % BlockSize != 0)
        {
            _cache.Storage.CopyBlock(_blocks[whole], fork._blocks[whole]);
        }

        fork.Length = length;
        return fork;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_blockCount > 0)
        {
            int block = _blocks[--_blockCount];
            if (_isRetained)
            {
                _cache.Retain(block, -1);
            }

            _cache.Release(block);
        }

        _isRetained = false;
        Length = 0;
    }

    /// <summary>Marks an ended sequence whose blocks are to be had when there are no others.</summary>
    internal void Retain()
    {
        _isRetained = true;
        for (int i = 0; i < _blockCount; i++)
        {
            _cache.Retain(_blocks[i], 1);
        }
    }

    /// <summary>Makes room for positions below <paramref name="length"/>.</summary>
    internal void Reserve(int length)
    {
        if (length > MaxLength)
        {
            throw new ArgumentException($"The sequence would have {length} tokens; it can hold {MaxLength}.", nameof(length));
        }

        while (_blockCount * BlockSize < length)
        {
            _blocks[_blockCount] = _cache.Take();
            _blockCount++;
        }
    }

    /// <summary>Whether the cache has room for positions below <paramref name="length"/> now.</summary>
    internal bool CanReserve(int length) => (length + BlockSize - 1) / BlockSize - _blockCount <= _cache.FreeBlocks;

    /// <summary>Forgets the last tokens, and gives back the blocks that the others do not need.</summary>
    /// <param name="length">How many tokens stay; at least those shared with another sequence, at most <see cref="Length"/>.</param>
    internal void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        while ((_blockCount - 1) * BlockSize >= length)
        {
            _cache.Release(_blocks[--_blockCount]);
        }

        Length = length;
    }

    internal void Advance(int tokens) => Length += tokens;
}
