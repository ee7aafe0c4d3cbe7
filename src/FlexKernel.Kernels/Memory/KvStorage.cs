namespace FlexKernel.Kernels;

/// <summary>
/// The paged key/value cache of all layers: blocks of positions that sequences own or share.
/// </summary>
/// <remarks>
/// <code>
/// keys    per layer [block][head][block size / 16][head dimension][16 positions]   one lane is one position's score
/// values  per layer [block][head][block size][head dimension, padded to 32]        one lane is one dimension of the output
/// Q8      a head of a block ends with its scales: [block size] float32
/// </code>
/// Keys are kept after RoPE.
/// </remarks>
public sealed unsafe class KvStorage : IDisposable
{
    /// <summary>Positions whose keys lie side by side.</summary>
    public const int TilePositions = 16;

    /// <summary>Positions that lie together in one block, whatever its size.</summary>
    public const int GroupPositions = 64;

    /// <summary>Attention is summed in chunks of this many positions, counted from position 0.</summary>
    public const int ChunkPositions = 256;

    private const int ValuePadding = 32;

    private readonly NativeMemoryOwner[] _keys;
    private readonly NativeMemoryOwner[] _values;
    private readonly int _elementBytes;

    /// <summary>Allocates the cache.</summary>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="heads">Key/value heads.</param>
    /// <param name="headDimension">Values per head.</param>
    /// <param name="blocks">Blocks in all.</param>
    /// <param name="blockSize">Positions per block: 64, 128 or 256.</param>
    /// <param name="format">How keys and values are kept.</param>
    public KvStorage(int layers, int heads, int headDimension, int blocks, int blockSize, KvFormat format = KvFormat.F32)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(heads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDimension);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        if (blockSize is not (64 or 128 or 256))
        {
            throw new ArgumentOutOfRangeException(nameof(blockSize), blockSize, "A block holds 64, 128 or 256 positions.");
        }

        (_elementBytes, IsScaled) = format switch
        {
            KvFormat.F32 => (KvFloat32.ElementBytes, KvFloat32.IsScaled),
            KvFormat.BF16 => (KvBFloat16.ElementBytes, KvBFloat16.IsScaled),
            KvFormat.F16 => (KvFloat16.ElementBytes, KvFloat16.IsScaled),
            KvFormat.Q8 => (KvInt8.ElementBytes, KvInt8.IsScaled),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown format."),
        };
        Format = format;
        Heads = heads;
        HeadDimension = headDimension;
        ValueStride = PackedMatrix.RoundUp(headDimension, ValuePadding);
        BlockCount = blocks;
        BlockSize = blockSize;
        _keys = new NativeMemoryOwner[layers];
        _values = new NativeMemoryOwner[layers];
        for (int layer = 0; layer < layers; layer++)
        {
            _keys[layer] = new NativeMemoryOwner(blocks * KeyBlockBytes);
            _values[layer] = new NativeMemoryOwner(blocks * ValueBlockBytes);
        }
    }

    /// <summary>How keys and values are kept.</summary>
    public KvFormat Format { get; }

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

    /// <summary>Whether keys and values are elements times a scale.</summary>
    internal bool IsScaled { get; }

    /// <summary>Bytes of the keys of one head in one block.</summary>
    internal long KeyHeadBytes => HeadBytes(HeadDimension);

    /// <summary>Bytes of the values of one head in one block.</summary>
    internal long ValueHeadBytes => HeadBytes(ValueStride);

    private long KeyBlockBytes => Heads * KeyHeadBytes;

    private long ValueBlockBytes => Heads * ValueHeadBytes;

    /// <summary>Copies one block over another, in all layers.</summary>
    public void CopyBlock(int source, int destination)
    {
        CheckBlock(source);
        CheckBlock(destination);
        for (int layer = 0; layer < _keys.Length; layer++)
        {
            Copy(_keys[layer], KeyBlockBytes);
            Copy(_values[layer], ValueBlockBytes);
        }

        void Copy(NativeMemoryOwner memory, long bytes) =>
            Buffer.MemoryCopy(memory.Pointer + source * bytes, memory.Pointer + destination * bytes, bytes, bytes);
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
    internal byte* Keys(int layer, int block, int head) => _keys[layer].Pointer + block * KeyBlockBytes + head * KeyHeadBytes;

    /// <summary>The value rows of one head in one block.</summary>
    internal byte* Values(int layer, int block, int head) => _values[layer].Pointer + block * ValueBlockBytes + head * ValueHeadBytes;

    /// <summary>The scales of the keys of one head in one block; null for a format without.</summary>
    internal float* KeyScales(int layer, int block, int head) =>
        IsScaled ? (float*)(Keys(layer, block, head) + (long)BlockSize * HeadDimension * _elementBytes) : null;

    /// <summary>The scales of the values of one head in one block; null for a format without.</summary>
    internal float* ValueScales(int layer, int block, int head) =>
        IsScaled ? (float*)(Values(layer, block, head) + (long)BlockSize * ValueStride * _elementBytes) : null;

    internal void CheckBlock(int block)
    {
        if ((uint)block >= (uint)BlockCount)
        {
            throw new ArgumentOutOfRangeException(nameof(block), block, $"The cache has {BlockCount} blocks.");
        }
    }

    private long HeadBytes(int width) => (long)BlockSize * (width * _elementBytes + (IsScaled ? sizeof(float) : 0));
}
