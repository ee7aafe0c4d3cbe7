namespace FlexKernel.Kernels;

/// <content>The attention of rows: one alone, or four successive ones of a sequence that share every load of keys and values.</content>
internal sealed unsafe partial class Attention<TLanes>
{
    private const int RowsAtOnce = 4;

    private void AttendPart(int worker, int workers)
    {
        Arena arena = _scratch[worker];
        arena.Reset(Arena.Size<float>(RowsAtOnce * KvStorage.ChunkPositions) + 2 * Arena.Size<float>(RowsAtOnce * _cache.ValueStride));
        float* scores = arena.Take<float>(RowsAtOnce * KvStorage.ChunkPositions);
        float* sums = arena.Take<float>(RowsAtOnce * _cache.ValueStride);
        float* chunkSums = arena.Take<float>(RowsAtOnce * _cache.ValueStride);

        // Head after head: the keys and values of one head stay in the cache while the rows go by.
        int heads = _queries.Columns / _cache.HeadDimension;
        (int begin, int end) = WorkerTeam.Share(_batch.Rows * heads, worker, workers);
        for (int item = begin; item < end;)
        {
            int row = item % _batch.Rows;
            RaggedBatch.SequenceSpan span = _batch.SpanOf(row);
            int left = Math.Min(span.FirstRow + span.Rows - row, end - item);
            int rows = left >= RowsAtOnce ? RowsAtOnce : 1;
            Attend(row, rows, item / _batch.Rows, heads, span.Blocks, scores, sums, chunkSums);
            item += rows;
        }
    }

    private void Attend(int row, int rows, int head, int heads, int[] blocks, float* scores, float* sums, float* chunkSums)
    {
        int dimension = _cache.HeadDimension, keyHead = head / (heads / _cache.Heads);
        int positions = _batch.Positions[row] + 1, allPositions = positions + rows - 1;
        float* queries = _queries.RowPointer(row) + head * dimension;
        Running* running = stackalloc Running[RowsAtOnce];
        for (int first = 0; first < allPositions; first += KvStorage.ChunkPositions)
        {
            int most = Math.Min(KvStorage.ChunkPositions, allPositions - first);
            float* values = first == 0 ? sums : chunkSums;
            int shared = 0;
            if (rows == RowsAtOnce)
            {
                ScoresOfFour(queries, blocks, first, most, keyHead, scores);
                shared = Math.Clamp(positions - first, 0, KvStorage.ChunkPositions);
            }
            else
            {
                ScoresOfOne(queries, blocks, first, most, keyHead, scores);
            }

            // Row r sees r positions more than row 0; in a late chunk the first rows may see none.
            int firstSeeing = Math.Max(0, first - positions + 1);
            for (int r = firstSeeing; r < rows; r++)
            {
                float* weights = scores + r * KvStorage.ChunkPositions;
                int count = Math.Min(KvStorage.ChunkPositions, positions + r - first);
                running[r].ChunkMax = Vectors.Max<TLanes>(weights, count);
                running[r].ChunkSum = Vectors.ExpAndSum<TLanes>(weights, count, running[r].ChunkMax);
            }

            if (shared > 0)
            {
                ValuesOfFour(scores, blocks, first, shared, keyHead, values);
            }

            for (int r = firstSeeing; r < rows; r++)
            {
                int count = Math.Min(KvStorage.ChunkPositions, positions + r - first);
                float* rowValues = values + r * _cache.ValueStride;
                AddValues(scores + r * KvStorage.ChunkPositions, blocks, first, shared, count, keyHead, rowValues);
                Merge(ref running[r], first == 0, sums + r * _cache.ValueStride, rowValues);
            }
        }

        for (int r = 0; r < rows; r++)
        {
            float* destination = _destination.RowPointer(row + r) + head * dimension;
            for (int d = 0; d < dimension; d++)
            {
                destination[d] = sums[r * _cache.ValueStride + d] / running[r].Sum;
            }
        }
    }

    private void Merge(ref Running running, bool begins, float* sums, float* chunkSums)
    {
        if (begins)
        {
            (running.Max, running.Sum) = (running.ChunkMax, running.ChunkSum);
            return;
        }

        float max = MathF.Max(running.Max, running.ChunkMax);
        float oldScale = Exp(running.Max - max), newScale = Exp(running.ChunkMax - max);
        TLanes old = TLanes.Broadcast(oldScale), fresh = TLanes.Broadcast(newScale);
        for (int d = 0; d < _cache.ValueStride; d += TLanes.Count)
        {
            TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(chunkSums + d), fresh, TLanes.Load(sums + d) * old), sums + d);
        }

        running.Sum = MathF.FusedMultiplyAdd(running.ChunkSum, newScale, running.Sum * oldScale);
        running.Max = max;
    }

    private static float Exp(float x)
    {
        float result;
        LanesScalar.Store(Vectors.Exp(LanesScalar.Broadcast(x)), &result);
        return result;
    }

    // Whole groups of tiles: scores beyond the last position are computed from whatever stands there, and not used.
    private void ScoresOfOne(float* query, int[] blocks, int first, int count, int head, float* scores)
    {
        const int Tiles = 4, Group = Tiles * KvStorage.TilePositions;
        int tileFloats = _cache.HeadDimension * KvStorage.TilePositions;
        TLanes scale = TLanes.Broadcast(1f / MathF.Sqrt(_cache.HeadDimension));
        for (int position = 0; position < count; position += Group, scores += Group)
        {
            float* tiles = KeyTile(blocks, first + position, head);
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

                float* to = scores + lane;
                TLanes.Store(s0 * scale, to);
                TLanes.Store(s1 * scale, to + KvStorage.TilePositions);
                TLanes.Store(s2 * scale, to + 2 * KvStorage.TilePositions);
                TLanes.Store(s3 * scale, to + 3 * KvStorage.TilePositions);
            }
        }
    }

    private void ScoresOfFour(float* queries, int[] blocks, int first, int count, int head, float* scores)
    {
        const int Tiles = 2, Group = Tiles * KvStorage.TilePositions;
        int tileFloats = _cache.HeadDimension * KvStorage.TilePositions;
        TLanes scale = TLanes.Broadcast(1f / MathF.Sqrt(_cache.HeadDimension));
        float* q0 = queries, q1 = q0 + _queries.Stride, q2 = q1 + _queries.Stride, q3 = q2 + _queries.Stride;
        for (int position = 0; position < count; position += Group, scores += Group)
        {
            float* tiles = KeyTile(blocks, first + position, head);
            for (int lane = 0; lane < KvStorage.TilePositions; lane += TLanes.Count)
            {
                float* k = tiles + lane;
                TLanes a0 = TLanes.Zero, b0 = TLanes.Zero, a1 = TLanes.Zero, b1 = TLanes.Zero;
                TLanes a2 = TLanes.Zero, b2 = TLanes.Zero, a3 = TLanes.Zero, b3 = TLanes.Zero;
                for (int d = 0; d < _cache.HeadDimension; d++, k += KvStorage.TilePositions)
                {
                    TLanes ka = TLanes.Load(k), kb = TLanes.Load(k + tileFloats);
                    TLanes q = TLanes.Broadcast(q0[d]);
                    (a0, b0) = (TLanes.FusedMultiplyAdd(ka, q, a0), TLanes.FusedMultiplyAdd(kb, q, b0));
                    q = TLanes.Broadcast(q1[d]);
                    (a1, b1) = (TLanes.FusedMultiplyAdd(ka, q, a1), TLanes.FusedMultiplyAdd(kb, q, b1));
                    q = TLanes.Broadcast(q2[d]);
                    (a2, b2) = (TLanes.FusedMultiplyAdd(ka, q, a2), TLanes.FusedMultiplyAdd(kb, q, b2));
                    q = TLanes.Broadcast(q3[d]);
                    (a3, b3) = (TLanes.FusedMultiplyAdd(ka, q, a3), TLanes.FusedMultiplyAdd(kb, q, b3));
                }

                StoreScaled(a0, b0, scale, scores + lane);
                StoreScaled(a1, b1, scale, scores + lane + KvStorage.ChunkPositions);
                StoreScaled(a2, b2, scale, scores + lane + 2 * KvStorage.ChunkPositions);
                StoreScaled(a3, b3, scale, scores + lane + 3 * KvStorage.ChunkPositions);
            }
        }
    }

    private static void StoreScaled(TLanes first, TLanes second, TLanes scale, float* scores)
    {
        TLanes.Store(first * scale, scores);
        TLanes.Store(second * scale, scores + KvStorage.TilePositions);
    }

    // The first values of a chunk that all four rows see, from zero; rows of weights lie a chunk apart, sums a value row.
    private void ValuesOfFour(float* weights, int[] blocks, int first, int count, int head, float* sums)
    {
        const int Chunk = KvStorage.ChunkPositions;
        int stride = _cache.ValueStride;
        int step = stride >= 2 * TLanes.Count ? 2 * TLanes.Count : TLanes.Count, second = step - TLanes.Count;
        for (int d = 0; d < stride; d += step)
        {
            // The last step of an odd number of vectors would leave the row: it goes back by one and sums that vector again.
            int at = Math.Min(d, stride - step);
            TLanes a0 = TLanes.Zero, b0 = TLanes.Zero, a1 = TLanes.Zero, b1 = TLanes.Zero;
            TLanes a2 = TLanes.Zero, b2 = TLanes.Zero, a3 = TLanes.Zero, b3 = TLanes.Zero;
            for (int i = 0; i < count;)
            {
                float* v = ValueRow(blocks, first + i, head) + at;
                for (int end = Math.Min(count, i + _cache.BlockSize - (first + i) % _cache.BlockSize); i < end; i++, v += stride)
                {
                    TLanes va = TLanes.Load(v), vb = TLanes.Load(v + second);
                    TLanes w = TLanes.Broadcast(weights[i]);
                    (a0, b0) = (TLanes.FusedMultiplyAdd(va, w, a0), TLanes.FusedMultiplyAdd(vb, w, b0));
                    w = TLanes.Broadcast(weights[i + Chunk]);
                    (a1, b1) = (TLanes.FusedMultiplyAdd(va, w, a1), TLanes.FusedMultiplyAdd(vb, w, b1));
                    w = TLanes.Broadcast(weights[i + 2 * Chunk]);
                    (a2, b2) = (TLanes.FusedMultiplyAdd(va, w, a2), TLanes.FusedMultiplyAdd(vb, w, b2));
                    w = TLanes.Broadcast(weights[i + 3 * Chunk]);
                    (a3, b3) = (TLanes.FusedMultiplyAdd(va, w, a3), TLanes.FusedMultiplyAdd(vb, w, b3));
                }
            }

            StorePair(a0, b0, sums + at, second);
            StorePair(a1, b1, sums + stride + at, second);
            StorePair(a2, b2, sums + 2 * stride + at, second);
            StorePair(a3, b3, sums + 3 * stride + at, second);
        }
    }

    private static void StorePair(TLanes first, TLanes second, float* sums, int offset)
    {
        TLanes.Store(first, sums);
        TLanes.Store(second, sums + offset);
    }

    // The values [from, count) of a chunk for one row; from 0 on they begin the sums, later they continue them.
    private void AddValues(float* weights, int[] blocks, int first, int from, int count, int head, float* sums)
    {
        int stride = _cache.ValueStride, d = 0;
        for (; d + 4 * TLanes.Count <= stride && from < count; d += 4 * TLanes.Count)
        {
            TLanes a = Begin(sums + d, from), b = Begin(sums + d + TLanes.Count, from);
            TLanes c = Begin(sums + d + 2 * TLanes.Count, from), e = Begin(sums + d + 3 * TLanes.Count, from);
            for (int i = from; i < count;)
            {
                float* v = ValueRow(blocks, first + i, head) + d;
                for (int end = Math.Min(count, i + _cache.BlockSize - (first + i) % _cache.BlockSize); i < end; i++, v += stride)
                {
                    TLanes w = TLanes.Broadcast(weights[i]);
                    a = TLanes.FusedMultiplyAdd(TLanes.Load(v), w, a);
                    b = TLanes.FusedMultiplyAdd(TLanes.Load(v + TLanes.Count), w, b);
                    c = TLanes.FusedMultiplyAdd(TLanes.Load(v + 2 * TLanes.Count), w, c);
                    e = TLanes.FusedMultiplyAdd(TLanes.Load(v + 3 * TLanes.Count), w, e);
                }
            }

            TLanes.Store(a, sums + d);
            TLanes.Store(b, sums + d + TLanes.Count);
            TLanes.Store(c, sums + d + 2 * TLanes.Count);
            TLanes.Store(e, sums + d + 3 * TLanes.Count);
        }

        for (; d < stride && from < count; d += TLanes.Count)
        {
            TLanes a = Begin(sums + d, from);
            for (int i = from; i < count; i++)
            {
                a = TLanes.FusedMultiplyAdd(TLanes.Load(ValueRow(blocks, first + i, head) + d), TLanes.Broadcast(weights[i]), a);
            }

            TLanes.Store(a, sums + d);
        }
    }

    private static TLanes Begin(float* sums, int from) => from == 0 ? TLanes.Zero : TLanes.Load(sums);

    private float* KeyTile(int[] blocks, int position, int head) =>
        _cache.Keys(_layer, blocks[position / _cache.BlockSize], head)
        + position % _cache.BlockSize / KvStorage.TilePositions * (long)_cache.HeadDimension * KvStorage.TilePositions;

    private float* ValueRow(int[] blocks, int position, int head) =>
        _cache.Values(_layer, blocks[position / _cache.BlockSize], head) + (long)(position % _cache.BlockSize) * _cache.ValueStride;

    // The softmax of one row so far, and of the chunk at hand.
    private struct Running
    {
        public float Max, Sum, ChunkMax, ChunkSum;
    }
}
