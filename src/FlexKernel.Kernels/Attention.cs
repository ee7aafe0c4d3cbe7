namespace FlexKernel.Kernels;

/// <summary>Rotary embedding, cache append and causal attention over the paged cache.</summary>
/// <remarks>
/// Scores are one lane per position (products in the order of the head dimension), outputs one lane per dimension (positions in order).
/// The softmax runs over chunks of 256 positions counted from position 0, each from the first position that the row sees; chunks are merged
/// in order. So a row's bits depend on its own sequence up to its position and on nothing else.
/// </remarks>
internal sealed unsafe partial class Attention<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private readonly WorkerTeam _team;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _preparePart;
    private readonly ParallelPart _attendPart;
    private RaggedBatch _batch = null!;
    private AttentionPreparation _preparation = null!;
    private Activations _queries = null!, _keys = null!, _values = null!, _destination = null!;
    private KvStorage _cache = null!;
    private int _layer, _window;

    public Attention(WorkerTeam team)
    {
        _team = team;
        _preparePart = PreparePart;
        _attendPart = AttendPart;
        _scratch = new WorkerArenas(team.Workers);
    }

    /// <summary>See <see cref="Backend.PrepareAttention"/>.</summary>
    public void Prepare(
        RaggedBatch batch, AttentionPreparation preparation, Activations queries, Activations keys, Activations values, KvStorage cache, int layer)
    {
        CheckPositions(batch, cache, preparation.Rotary.Positions);
        (_batch, _preparation, _queries, _keys, _values, _cache, _layer) = (batch, preparation, queries, keys, values, cache, layer);
        if (batch.Rows > 1)
        {
            _team.Run(_preparePart);
        }
        else
        {
            PreparePart(0, 1);
        }
    }

    /// <summary>See <see cref="Backend.Attend"/>.</summary>
    public void Run(RaggedBatch batch, Activations queries, KvStorage cache, int layer, int? window, Activations destination)
    {
        CheckPositions(batch, cache, int.MaxValue);
        (_batch, _queries, _cache, _layer, _window, _destination) = (batch, queries, cache, layer, window ?? int.MaxValue, destination);
        if (batch.Rows > 0)
        {
            _team.Run(_attendPart);
        }
    }

    public void Dispose() => _scratch.Dispose();

    private static void CheckPositions(RaggedBatch batch, KvStorage cache, int positions)
    {
        foreach (RaggedBatch.SequenceSpan span in batch.Spans)
        {
            long end = (long)batch.Positions[span.FirstRow] + span.Rows;
            if (end > positions || (long)span.Blocks.Length * cache.BlockSize < end)
            {
                throw new ArgumentException($"Position {end - 1} is beyond the rotary table or the sequence's cache blocks.", nameof(batch));
            }

            for (int block = 0; (long)block * cache.BlockSize < end; block++)
            {
                cache.CheckBlock(span.Blocks[block]);
            }
        }
    }

    private void PreparePart(int worker, int workers)
    {
        switch (_cache.Format)
        {
            case KvFormat.BF16:
                PreparePart<KvBFloat16>(worker, workers);
                break;
            case KvFormat.F16:
                PreparePart<KvFloat16>(worker, workers);
                break;
            case KvFormat.Q8:
                PreparePart<KvInt8>(worker, workers);
                break;
            default:
                PreparePart<KvFloat32>(worker, workers);
                break;
        }
    }

    private void PreparePart<TFormat>(int worker, int workers)
        where TFormat : struct, IKvFormat
    {
        Arena arena = _scratch[worker];
        arena.Reset(Arena.Size<byte>((long)_cache.HeadDimension * TFormat.ElementBytes));
        byte* elements = arena.Take<byte>((long)_cache.HeadDimension * TFormat.ElementBytes);
        (int begin, int end) = WorkerTeam.Share(_batch.Rows, worker, workers);
        for (int row = begin; row < end; row++)
        {
            int position = _batch.Positions[row];
            Prepare(_queries, _preparation.QueryGain, row, position, rotate: true);
            Prepare(_keys, _preparation.KeyGain, row, position, rotate: true);
            Prepare(_values, null, row, position, rotate: false);
            Append<TFormat>(row, position, elements);
        }
    }

    private void Prepare(Activations x, Activations? gain, int row, int position, bool rotate)
    {
        float* values = x.RowPointer(row);
        if (gain is not null)
        {
            Norms.RmsNorm<TLanes>(values, gain.Pointer, x.Columns, _preparation.Epsilon, values);
        }

        if (_preparation.Clip is { } clip)
        {
            TLanes low = TLanes.Broadcast(-clip), high = TLanes.Broadcast(clip);
            for (int i = 0; i < x.Columns; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Min(TLanes.Max(TLanes.Load(values + i), low), high), values + i);
            }
        }

        if (rotate)
        {
            for (int head = 0; head < x.Columns; head += _cache.HeadDimension)
            {
                Rotate(values + head, _preparation.Rotary.Cosines.RowPointer(position), _preparation.Rotary.Sines.RowPointer(position));
            }
        }
    }

    // v cos + rot(v) sin with rot(v) = [-v2 | v1].
    private void Rotate(float* v, float* cosines, float* sines)
    {
        int half = _cache.HeadDimension / 2, i = 0;
        for (; i + TLanes.Count <= half; i += TLanes.Count)
        {
            Rotate<TLanes>(v + i, v + half + i, cosines + i, sines + i);
        }

        for (; i < half; i++)
        {
            Rotate<LanesScalar>(v + i, v + half + i, cosines + i, sines + i);
        }
    }

    private static void Rotate<T>(float* first, float* second, float* cosine, float* sine)
        where T : struct, ILanes<T>
    {
        T a = T.Load(first), b = T.Load(second), c = T.Load(cosine), s = T.Load(sine);
        T.Store(T.FusedMultiplyAdd(T.Zero - b, s, a * c), first);
        T.Store(T.FusedMultiplyAdd(a, s, b * c), second);
    }

    private void Append<TFormat>(int row, int position, byte* elements)
        where TFormat : struct, IKvFormat
    {
        int block = _batch.SpanOf(row).Blocks[position / _cache.BlockSize], offset = position % _cache.BlockSize;
        int dimension = _cache.HeadDimension;
        for (int head = 0; head < _cache.Heads; head++)
        {
            float keyScale = TFormat.Narrow<TLanes>(_keys.RowPointer(row) + head * dimension, dimension, elements);
            byte* keys = _cache.Keys(_layer, block, head);
            int lane = offset / KvStorage.TilePositions * dimension * KvStorage.TilePositions + offset % KvStorage.TilePositions;
            switch (TFormat.ElementBytes)
            {
                case sizeof(float):
                    Scatter((float*)elements, dimension, (float*)keys + lane);
                    break;
                case sizeof(ushort):
                    Scatter((ushort*)elements, dimension, (ushort*)keys + lane);
                    break;
                default:
                    Scatter(elements, dimension, keys + lane);
                    break;
            }

            byte* value = _cache.Values(_layer, block, head) + (long)offset * _cache.ValueStride * TFormat.ElementBytes;
            float valueScale = TFormat.Narrow<TLanes>(_values.RowPointer(row) + head * dimension, dimension, value);
            if (TFormat.IsScaled)
            {
                _cache.KeyScales(_layer, block, head)[offset] = keyScale;
                _cache.ValueScales(_layer, block, head)[offset] = valueScale;
            }
        }
    }

    private static void Scatter<T>(T* elements, int count, T* lane)
        where T : unmanaged
    {
        for (int d = 0; d < count; d++)
        {
            lane[d * KvStorage.TilePositions] = elements[d];
        }
    }
}
