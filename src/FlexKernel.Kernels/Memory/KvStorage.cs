namespace FlexKernel.Kernels;

/// <summary>
/// The paged key/value cache of all layers: blocks of positions that sequences own or share.
/// </summary>
/// <remarks>
/// <code>
/// keys    per layer [block][head][block size / 16][head dimension][16 positions]   one lane is one position's score
/// values  per layer [block][head][block size][head dimension, padded to 16]        one lane is one dimension of the output
/// </code>
/// Keys are kept after RoPE.
/// </remarks>
public sealed unsafe class KvStorage : IDisposable
{
    /// <summary>Positions whose keys lie side by side.</summary>
    public const int TilePositions = 16;

    /// <summary>Attention is summed in chunks of this many positions, counted from position 0.</summary>
    public const int ChunkPositions = 256;

    private readonly NativeMemoryOwner[] _keys;
    private readonly NativeMemoryOwner[] _values;

    /// <summary>Allocates the cache.</summary>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="heads">Key/value heads.</param>
    /// <param name="headDimension">Values per head.</param>
    /// <param name="blocks">Blocks in all.</param>
    /// <param name="blockSize">Positions per block: 64, 128 or 256.</param>
    public KvStorage(int layers, int heads, int headDimension, int blocks, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(heads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDimension);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        if (blockSize is not (64 or 128 or 256))
        {
            throw new ArgumentOutOfRangeException(nameof(blockSize), blockSize, "A block holds 64, 128 or 256 positions.");
        }

        Heads = heads;
        HeadDimension = headDimension;
        ValueStride = PackedMatrix.RoundUp(headDimension, TilePositions);
        BlockCount = blocks;
        BlockSize = blockSize;
        _keys = new NativeMemoryOwner[layers];
        _values = new NativeMemoryOwner[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            _keys[layer] = new NativeMemoryOwner(blocks * KeyBlockFloats * sizeof(float));
            _values[layer] = new NativeMemoryOwner(blocks * ValueBlockFloats * sizeof(float));
        }
    }

    /// <summary>Layers of the model.</summary>
    public int Layers => _keys.Length;

    /// <summary>Key/value heads.</summary>
    public int Heads { get; }

    /// <summary>Values per head.</summary>
    public int HeadDimension { get; }

    /// <summary>Blocks in all.</summary>
    public int BlockCount { get; }

    /// <summary>Positions per block.</summary>
    public int BlockSize { get; }

    /// <summary>Bytes held.</summary>
    public long ByteCount => _keys.Sum(k => k.ByteCount) + _values.Sum(v => v.ByteCount);

    internal int ValueStride { get; }

    private long KeyBlockFloats => (long)Heads * BlockSize * HeadDimension;

    private long ValueBlockFloats => (long)Heads * BlockSize * ValueStride;

    /// <summary>Copies one block over another, in all layers.</summary>
    public void CopyBlock(int source, int destination)
    {
        CheckBlock(source);
        CheckBlock(destination);
        for (int layer = 0; layer < _keys.Length; layer++)
        {
            Copy(_keys[layer], KeyBlockFloats);
            Copy(_values[layer], ValueBlockFloats);
        }

        void Copy(NativeMemoryOwner memory, long floats)
        {
            float* start = (float*)memory.Pointer;
            Buffer.MemoryCopy(start + source * floats, start + destination * floats, floats * sizeof(float), floats * sizeof(float));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeMemoryOwner memory in _keys.Concat(_values))
        {
            memory.Dispose();
        }
    }

    /// <summary>The 16-position key tiles of one head in one block.</summary>
    internal float* Keys(int layer, int block, int head) =>
        (float*)_keys[layer].Pointer + block * KeyBlockFloats + (long)head * BlockSize * HeadDimension;

    /// <summary>The value rows of one head in one block.</summary>
    internal float* Values(int layer, int block, int head) =>
        (float*)_values[layer].Pointer + block * ValueBlockFloats + (long)head * BlockSize * ValueStride;

    internal void CheckBlock(int block)
    {
        if ((uint)block >= (uint)BlockCount)
        {
            throw new ArgumentOutOfRangeException(nameof(block), block, $"The cache has {BlockCount} blocks.");
        }
    }
}
