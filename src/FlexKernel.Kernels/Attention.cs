namespace FlexKernel.Kernels;

/// <summary>Rotary embedding, cache append and causal attention over the paged cache.</summary>
/// <remarks>
/// Scores are one lane per position (products in the order of the head dimension), outputs one lane per dimension (positions in order).
/// The softmax runs over chunks of 256 positions counted from position 0; chunks are merged in order. So a row's bits depend on its own
/// sequence up to its position and on nothing else.
/// </remarks>
internal sealed unsafe class Attention<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private const int TilesAtOnce = 4;
    private const int GroupPositions = TilesAtOnce * KvStorage.TilePositions;

    private readonly WorkerTeam _team;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _preparePart;
    private readonly ParallelPart _attendPart;
    private RaggedBatch _batch = null!;
    private AttentionPreparation _preparation = null!;
    private Activations _queries = null!, _keys = null!, _values = null!, _destination = null!;
    private KvStorage _cache = null!;
    private int _layer;

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
    public void Run(RaggedBatch batch, Activations queries, KvStorage cache, int layer, Activations destination)
    {
        CheckPositions(batch, cache, int.MaxValue);
        (_batch, _queries, _cache, _layer, _destination) = (batch, queries, cache, layer, destination);
        _team.Run(_attendPart);
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
        (int begin, int end) = WorkerTeam.Share(_batch.Rows, worker, workers);
        for (int row = begin; row < end; row++)
        {
            int position = _batch.Positions[row];
            Prepare(_queries, _preparation.QueryGain, row, position, rotate: true);
            Prepare(_keys, _preparation.KeyGain, row, position, rotate: true);
            Prepare(_values, null, row, position, rotate: false);
            Append(row, position);
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

    private void Append(int row, int position)
    {
        int block = _batch.SpanOf(row).Blocks[position / _cache.BlockSize], offset = position % _cache.BlockSize;
        int dimension = _cache.HeadDimension;
        for (int head = 0; head < _cache.Heads; head++)
        {
            float* key = _keys.RowPointer(row) + head * dimension;
            float* tile = _cache.Keys(_layer, block, head) + offset / KvStorage.TilePositions * (long)dimension * KvStorage.TilePositions;
            float* lane = tile + offset % KvStorage.TilePositions;
            for (int d = 0; d < dimension; d++)
            {
                lane[d * KvStorage.TilePositions] = key[d];
            }

            new ReadOnlySpan<float>(_values.RowPointer(row) + head * dimension, dimension)
                .CopyTo(new Span<float>(_cache.Values(_layer, block, head) + (long)offset * _cache.ValueStride, dimension));
        }
    }

    private void AttendPart(int worker, int workers)
    {
        Arena arena = _scratch[worker];
        arena.Reset(Arena.Size<float>(KvStorage.ChunkPositions) + 2 * Arena.Size<float>(_cache.ValueStride));
        float* scores = arena.Take<float>(KvStorage.ChunkPositions);
        float* sums = arena.Take<float>(_cache.ValueStride);
        float* chunk = arena.Take<float>(_cache.ValueStride);

        // Head after head: the keys and values of one head stay in the cache while the rows go by.
        int heads = _queries.Columns / _cache.HeadDimension;
        (int begin, int end) = WorkerTeam.Share(_batch.Rows * heads, worker, workers);
        for (int item = begin; item < end; item++)
        {
            Attend(item % _batch.Rows, item / _batch.Rows, heads, scores, sums, chunk);
        }
    }

    private void Attend(int row, int head, int heads, float* scores, float* sums, float* chunkSums)
    {
        int dimension = _cache.HeadDimension;
        int keyHead = head / (heads / _cache.Heads);
        int[] blocks = _batch.SpanOf(row).Blocks;
        int positions = _batch.Positions[row] + 1;
        float* query = _queries.RowPointer(row) + head * dimension;
        float scale = 1f / MathF.Sqrt(dimension);
        float max = 0, sum = 0;
        for (int first = 0; first < positions; first += KvStorage.ChunkPositions)
        {
            int count = Math.Min(KvStorage.ChunkPositions, positions - first);
            bool begins = first == 0;
            float* values = begins ? sums : chunkSums;
            Scores(query, blocks, first, count, keyHead, scale, scores);
            float chunkMax = Vectors.Max<TLanes>(scores, count);
            float chunkSum = Vectors.ExpAndSum<TLanes>(scores, count, chunkMax);
            WeightedValues(scores, blocks, first, count, keyHead, values);
            if (begins)
            {
                (max, sum) = (chunkMax, chunkSum);
                continue;
            }

            float newMax = MathF.Max(max, chunkMax);
            float oldScale = Exp(max - newMax), newScale = Exp(chunkMax - newMax);
            Merge(sums, oldScale, chunkSums, newScale);
            sum = MathF.FusedMultiplyAdd(chunkSum, newScale, sum * oldScale);
            max = newMax;
        }

        float* destination = _destination.RowPointer(row) + head * dimension;
        for (int d = 0; d < dimension; d++)
        {
            destination[d] = sums[d] / sum;
        }
    }

    private static float Exp(float x)
    {
        float result;
        LanesScalar.Store(Vectors.Exp(LanesScalar.Broadcast(x)), &result);
        return result;
    }

    private void Merge(float* sums, float oldScale, float* chunkSums, float newScale)
    {
        TLanes old = TLanes.Broadcast(oldScale), fresh = TLanes.Broadcast(newScale);
        for (int d = 0; d < _cache.ValueStride; d += TLanes.Count)
        {
            TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(chunkSums + d), fresh, TLanes.Load(sums + d) * old), sums + d);
        }
    }

    // Whole groups of four tiles: scores beyond the last position are computed from whatever stands there, and not used.
    private void Scores(float* query, int[] blocks, int first, int count, int head, float scale, float* scores)
    {
        int tileFloats = _cache.HeadDimension * KvStorage.TilePositions;
        TLanes scales = TLanes.Broadcast(scale);
        for (int position = 0; position < count; position += GroupPositions, scores += GroupPositions)
        {
            int at = first + position;
            float* tiles = _cache.Keys(_layer, blocks[at / _cache.BlockSize], head) + at % _cache.BlockSize / KvStorage.TilePositions * (long)tileFloats;
            for (int lane = 0; lane < KvStorage.TilePositions; lane += TLanes.Count)
            {
                float* k = tiles + lane;
                TLanes s0 = TLanes.Zero, s1 = TLanes.Zero, s2 = TLanes.Zero, s3 = TLanes.Zero;
                for (int d = 0; d < _cache.HeadDimension; d++, k += KvStorage.TilePositions)
                {
                    TLanes q = TLanes.Broadcast(query[d]);
                    s0 = TLanes.FusedMultiplyAdd(TLanes.Load(k), q, s0);
                    s1 = TLanes.FusedMultiplyAdd(TLanes.Load(k + tileFloats), q, s1);
                    s2 = TLanes.FusedMultiplyAdd(TLanes.Load(k + 2 * tileFloats), q, s2);
                    s3 = TLanes.FusedMultiplyAdd(TLanes.Load(k + 3 * tileFloats), q, s3);
                }

                TLanes.Store(s0 * scales, scores + lane);
                TLanes.Store(s1 * scales, scores + lane + KvStorage.TilePositions);
                TLanes.Store(s2 * scales, scores + lane + 2 * KvStorage.TilePositions);
                TLanes.Store(s3 * scales, scores + lane + 3 * KvStorage.TilePositions);
            }
        }
    }

    private void WeightedValues(float* weights, int[] blocks, int first, int count, int head, float* destination)
    {
        int stride = _cache.ValueStride;
        int d = 0;
        for (; d + 4 * TLanes.Count <= stride; d += 4 * TLanes.Count)
        {
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, e = TLanes.Zero;
            for (int i = 0; i < count;)
            {
                int at = first + i, offset = at % _cache.BlockSize, here = Math.Min(_cache.BlockSize - offset, count - i);
                float* v = _cache.Values(_layer, blocks[at / _cache.BlockSize], head) + (long)offset * stride + d;
                for (int end = i + here; i < end; i++, v += stride)
                {
                    TLanes w = TLanes.Broadcast(weights[i]);
                    a = TLanes.FusedMultiplyAdd(TLanes.Load(v), w, a);
                    b = TLanes.FusedMultiplyAdd(TLanes.Load(v + TLanes.Count), w, b);
                    c = TLanes.FusedMultiplyAdd(TLanes.Load(v + 2 * TLanes.Count), w, c);
                    e = TLanes.FusedMultiplyAdd(TLanes.Load(v + 3 * TLanes.Count), w, e);
                }
            }

            TLanes.Store(a, destination + d);
            TLanes.Store(b, destination + d + TLanes.Count);
            TLanes.Store(c, destination + d + 2 * TLanes.Count);
            TLanes.Store(e, destination + d + 3 * TLanes.Count);
        }

        for (; d < stride; d += TLanes.Count)
        {
            TLanes a = TLanes.Zero;
            for (int i = 0; i < count; i++)
            {
                int at = first + i;
                float* v = _cache.Values(_layer, blocks[at / _cache.BlockSize], head) + (long)(at % _cache.BlockSize) * stride + d;
                a = TLanes.FusedMultiplyAdd(TLanes.Load(v), TLanes.Broadcast(weights[i]), a);
            }

            TLanes.Store(a, destination + d);
        }
    }
}
