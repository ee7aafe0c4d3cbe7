using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <content>
/// The attention of rows. All query heads of one key head at successive positions of one sequence make a band; a band runs over the chunks
/// of the cache, so that a chunk is read from far away once, and in each chunk strip by strip over its register tiles.
/// </content>
internal sealed unsafe partial class Attention<TLanes>
{
    private const int Chunk = KvStorage.ChunkPositions, Group = KvStorage.GroupPositions, GroupsPerChunk = Chunk / Group;

    // A strip's softmax state fits one virtual vector.
    private const int StripLanes = 16;

    // Tall enough that a chunk's way into the second-level cache is paid by many rows, short enough that the band's sums fit there too.
    private const int BandRows = 96;

    private int HeadsPerKey => _queries.Columns / (_cache.HeadDimension * _cache.Heads);

    // Head dimensions whose queries one set of factors holds.
    private int QueryBlocks => (_cache.HeadDimension + AttentionTiles.MostFactors - 1) / AttentionTiles.MostFactors;

    private void AttendPart(int worker, int workers)
    {
        switch (_cache.Format)
        {
            case KvFormat.BF16:
                AttendPart<KvBFloat16>(worker, workers);
                break;
            case KvFormat.F16:
                AttendPart<KvFloat16>(worker, workers);
                break;
            case KvFormat.Q8:
                AttendPart<KvInt8>(worker, workers);
                break;
            default:
                AttendPart<KvFloat32>(worker, workers);
                break;
        }
    }

    // Shares are even in positions seen: rows late in a text cost more.
    private void AttendPart<TFormat>(int worker, int workers)
        where TFormat : struct, IKvFormat
    {
        int rowsPerBand = Math.Min(_batch.Rows, Math.Max(1, BandRows / HeadsPerKey));
        Band band = TakeBand<TFormat>(_scratch[worker], rowsPerBand * HeadsPerKey);
        long headCost = 0;
        for (int row = 0; row < _batch.Rows; row++)
        {
            headCost += Seen(row);
        }

        long begin = headCost * _cache.Heads * worker / workers, end = headCost * _cache.Heads * (worker + 1) / workers;
        for (int head = (int)(begin / headCost); head < _cache.Heads && head * headCost < end; head++)
        {
            long cost = head * headCost;
            int row = 0;
            for (; row < _batch.Rows && cost < begin; row++)
            {
                cost += Seen(row);
            }

            while (row < _batch.Rows && cost < end)
            {
                RaggedBatch.SequenceSpan span = _batch.SpanOf(row);
                int first = row, most = Math.Min(span.FirstRow + span.Rows, first + rowsPerBand);
                for (; row < most && cost < end; row++)
                {
                    cost += Seen(row);
                }

                Attend<TFormat>(ref band, span.Blocks, head, first, row - first);
            }
        }
    }

    private int Seen(int row) => Math.Min(_batch.Positions[row] + 1, _window);

    private Band TakeBand<TFormat>(Arena arena, int rows)
        where TFormat : struct, IKvFormat
    {
        int stride = _cache.ValueStride, widened = TFormat.ElementBytes == sizeof(float) ? 0 : Chunk;
        int tileRows = TLanes.TileRows, queryFloats = rows * QueryBlocks * AttentionTiles.FactorStride;
        arena.Reset(
            Arena.Size<float>(queryFloats) + Arena.Size<float>(rows * stride) + 2 * Arena.Size<float>(rows + StripLanes)
            + Arena.Size<float>(tileRows * AttentionTiles.FactorStride) + Arena.Size<float>(tileRows * stride)
            + Arena.Size<float>(widened * _cache.HeadDimension) + Arena.Size<float>(widened * stride));
        return new Band
        {
            Queries = arena.Take<float>(queryFloats),
            Sums = arena.Take<float>(rows * stride),
            Maxima = arena.Take<float>(rows + StripLanes),
            Totals = arena.Take<float>(rows + StripLanes),
            Scores = arena.Take<float>(tileRows * AttentionTiles.FactorStride),
            ChunkSums = arena.Take<float>(tileRows * stride),
            WideKeys = arena.Take<float>(widened * _cache.HeadDimension),
            WideValues = arena.Take<float>(widened * stride),
        };
    }

    private void Attend<TFormat>(ref Band band, int[] blocks, int head, int firstRow, int rows)
        where TFormat : struct, IKvFormat
    {
        Begin(ref band, head, firstRow, rows);
        bool widens = TFormat.ElementBytes != sizeof(float) && band.Rows > TLanes.TileRows;
        int last = band.Position(band.Rows - 1);
        for (int chunk = First(band.FirstPosition) / Chunk * Chunk; chunk <= last; chunk += Chunk)
        {
            ChunkView view = View<TFormat>(blocks, head, chunk, last);
            if (widens)
            {
                Widen<TFormat>(ref view, band, Math.Max(0, First(band.FirstPosition) - chunk), Math.Min(Chunk, last + 1 - chunk));
            }

            for (int strip = 0, height; strip < band.Rows; strip += height)
            {
                height = PackedRows.StripRows(strip, band.Rows, TLanes.TileRows);
                if (band.Position(strip + height - 1) < chunk || First(band.Position(strip)) >= chunk + Chunk)
                {
                    continue;
                }

                if (widens)
                {
                    AttendStrip<KvFloat32>(band, view, chunk, strip, height);
                }
                else
                {
                    AttendStrip<TFormat>(band, view, chunk, strip, height);
                }
            }
        }

        End(band, head, firstRow);
    }

    // The first position that a row at this position sees.
    private int First(int position) => Math.Max(0, position - _window + 1);

    private void Begin(ref Band band, int head, int firstRow, int rows)
    {
        int dimension = _cache.HeadDimension;
        band.HeadsPerKey = HeadsPerKey;
        band.FirstPosition = _batch.Positions[firstRow];
        band.Rows = rows * band.HeadsPerKey;
        new Span<float>(band.Sums, band.Rows * _cache.ValueStride).Clear();
        new Span<float>(band.Totals, band.Rows).Clear();
        new Span<float>(band.Maxima, band.Rows).Fill(float.NegativeInfinity);
        for (int strip = 0, height; strip < band.Rows; strip += height)
        {
            height = PackedRows.StripRows(strip, band.Rows, TLanes.TileRows);
            float* factors = StripQueries(band, strip);
            for (int d = 0; d < dimension; d += AttentionTiles.MostFactors)
            {
                for (int r = strip; r < strip + height; r++, factors += AttentionTiles.FactorStride)
                {
                    float* query = _queries.RowPointer(firstRow + r / band.HeadsPerKey) + (head * band.HeadsPerKey + r % band.HeadsPerKey) * dimension;
                    int count = Math.Min(AttentionTiles.MostFactors, dimension - d);
                    new ReadOnlySpan<float>(query + d, count).CopyTo(new Span<float>(factors, count));
                }
            }
        }
    }

    // [blocks of the head dimension][height][FactorStride].
    private float* StripQueries(in Band band, int strip) => band.Queries + (long)strip * QueryBlocks * AttentionTiles.FactorStride;

    private void End(in Band band, int head, int firstRow)
    {
        int dimension = _cache.HeadDimension;
        for (int r = 0; r < band.Rows; r++)
        {
            float* sums = band.Sums + r * _cache.ValueStride, total = band.Totals + r;
            float* destination = _destination.RowPointer(firstRow + r / band.HeadsPerKey) + (head * band.HeadsPerKey + r % band.HeadsPerKey) * dimension;
            int d = 0;
            for (; d + TLanes.Count <= dimension; d += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(sums + d) / TLanes.Broadcast(*total), destination + d);
            }

            for (; d < dimension; d++)
            {
                destination[d] = sums[d] / *total;
            }
        }
    }

    // Where the groups of a chunk lie, as far as the last position, and from each the way to what is read next.
    private ChunkView View<TFormat>(int[] blocks, int head, int chunk, int last)
        where TFormat : struct, IKvFormat
    {
        ChunkView view = default;
        int groups = (Math.Min(Chunk, last + 1 - chunk) + Group - 1) / Group;
        for (int g = 0; g < groups; g++)
        {
            int position = chunk + g * Group, block = blocks[position / _cache.BlockSize], offset = position % _cache.BlockSize;
            view.Keys[g] = (nint)_cache.Keys(_layer, block, head) + offset * _cache.HeadDimension * TFormat.ElementBytes;
            view.Values[g] = (nint)_cache.Values(_layer, block, head) + offset * _cache.ValueStride * TFormat.ElementBytes;
            view.KeyScales[g] = TFormat.IsScaled ? (nint)(_cache.KeyScales(_layer, block, head) + offset) : 0;
            view.ValueScales[g] = TFormat.IsScaled ? (nint)(_cache.ValueScales(_layer, block, head) + offset) : 0;
        }

        int next = chunk + Chunk;
        nint nextKeys = next <= last
            ? (nint)_cache.Keys(_layer, blocks[next / _cache.BlockSize], head) + next % _cache.BlockSize * _cache.HeadDimension * TFormat.ElementBytes
            : view.Values[groups - 1];
        for (int g = 0; g < groups; g++)
        {
            view.KeysAhead[g] = (g + 1 < groups ? view.Keys[g + 1] : view.Values[0]) - view.Keys[g];
            view.ValuesAhead[g] = (g + 1 < groups ? view.Values[g + 1] : nextKeys) - view.Values[g];
        }

        return view;
    }

    // Groups once widened serve all strips; scales stay where they are.
    private void Widen<TFormat>(ref ChunkView view, in Band band, int from, int to)
        where TFormat : struct, IKvFormat
    {
        for (int g = from / Group; g * Group < to; g++)
        {
            float* keys = band.WideKeys + g * Group * _cache.HeadDimension, values = band.WideValues + g * Group * _cache.ValueStride;
            Widen<TFormat>((byte*)view.Keys[g], Group * _cache.HeadDimension, keys);
            Widen<TFormat>((byte*)view.Values[g], Group * _cache.ValueStride, values);
            (view.Keys[g], view.Values[g], view.KeysAhead[g], view.ValuesAhead[g]) = ((nint)keys, (nint)values, 0, 0);
        }
    }

    private static void Widen<TFormat>(byte* elements, int count, float* destination)
        where TFormat : struct, IKvFormat
    {
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TFormat.Load<TLanes>(elements + i * TFormat.ElementBytes), destination + i);
        }
    }

    private void AttendStrip<TFormat>(in Band band, in ChunkView view, int chunk, int strip, int height)
        where TFormat : struct, IKvFormat
    {
        // What each row sees of the chunk, [From, To); rows that see something of it are successive.
        int* from = stackalloc int[StripLanes], to = stackalloc int[StripLanes];
        int least = Chunk, most = 0, sharedFrom = 0, sharedTo = Chunk;
        for (int r = 0; r < height; r++)
        {
            int position = band.Position(strip + r);
            from[r] = Math.Max(0, First(position) - chunk);
            to[r] = Math.Min(Chunk, position + 1 - chunk);
            if (from[r] < to[r])
            {
                (least, most) = (Math.Min(least, from[r]), Math.Max(most, to[r]));
            }

            (sharedFrom, sharedTo) = (Math.Max(sharedFrom, from[r]), Math.Min(sharedTo, to[r]));
        }

        Score<TFormat>(StripQueries(band, strip), view, height, least, most, band.Scores);
        float* maxima = stackalloc float[StripLanes], totals = stackalloc float[StripLanes];
        new Span<float>(maxima, StripLanes).Clear();
        new Span<float>(totals, StripLanes).Clear();
        float scale = 1f / MathF.Sqrt(_cache.HeadDimension);
        for (int r = 0; r < height; r++)
        {
            if (from[r] < to[r])
            {
                float* weights = band.Scores + r * AttentionTiles.FactorStride;
                Rescale(weights, view.KeyScales, from[r], to[r]);
                maxima[r] = Vectors.ScaleAndMax<TLanes>(weights + from[r], to[r] - from[r], scale);
                totals[r] = Vectors.ExpAndSum<TLanes>(weights + from[r], to[r] - from[r], maxima[r]);
                Rescale(weights, view.ValueScales, from[r], to[r]);
            }
        }

        int stride = _cache.ValueStride;
        new Span<float>(band.ChunkSums, height * stride).Clear();
        bool shares = sharedFrom < sharedTo && height > 1;
        if (shares)
        {
            // What only some rows see stands before and after what all see.
            for (int r = 0; r < height; r++)
            {
                AddValues<TFormat>(band.Scores + r * AttentionTiles.FactorStride, view, 1, from[r], sharedFrom, band.ChunkSums + r * stride);
            }

            AddValues<TFormat>(band.Scores, view, height, sharedFrom, sharedTo, band.ChunkSums);
        }

        for (int r = 0; r < height; r++)
        {
            AddValues<TFormat>(band.Scores + r * AttentionTiles.FactorStride, view, 1, shares ? sharedTo : from[r], to[r], band.ChunkSums + r * stride);
        }

        Merge(band, strip, height, from, to, maxima, totals);
    }

    private static void Rescale(float* weights, in GroupAddresses scales, int from, int to)
    {
        for (int i = from, end; i < to && scales[i / Group] != 0; i = end)
        {
            end = Math.Min(to, (i / Group + 1) * Group);
            Vectors.Multiply<TLanes>(weights + i, (float*)scales[i / Group] + i % Group, end - i);
        }
    }

    // Whole tiles: scores outside what a row sees are computed from whatever stands there, and not used.
    private void Score<TFormat>(float* queries, in ChunkView view, int height, int from, int to, float* scores)
        where TFormat : struct, IKvFormat
    {
        float* zeros = stackalloc float[4 * StripLanes];
        new Span<float>(zeros, 4 * StripLanes).Clear();
        int dimension = _cache.HeadDimension, width = TFormat.ElementBytes, tile = dimension * KvStorage.TilePositions * width;
        int vectors = AttentionTiles.VectorsAtOnce<TLanes>(height, Group), positions = vectors * TLanes.Count;
        for (int i = from / positions * positions; i < to; i += positions)
        {
            int inGroup = i % Group;
            byte* first = (byte*)view.Keys[i / Group] + inGroup / KvStorage.TilePositions * tile + inGroup % KvStorage.TilePositions * width;
            for (int d = 0; d < dimension; d += AttentionTiles.MostFactors)
            {
                CacheVectors keys = new()
                {
                    First = first + d * KvStorage.TilePositions * width,
                    Second = Lanes(TLanes.Count),
                    Third = Lanes(2 * TLanes.Count),
                    Step = KvStorage.TilePositions * width,
                    Ahead = view.KeysAhead[i / Group],
                };
                int count = Math.Min(AttentionTiles.MostFactors, dimension - d);
                float* factors = queries + d / AttentionTiles.MostFactors * height * AttentionTiles.FactorStride;
                (nint start, int stride) = d == 0 ? ((nint)zeros, 0) : ((nint)(scores + i), AttentionTiles.FactorStride);
                AttentionTiles.Sum<TLanes, TFormat>(
                    height, vectors, factors, keys, count, (float*)start, stride, scores + i, AttentionTiles.FactorStride);
            }
        }

        nint Lanes(int positions) => positions / KvStorage.TilePositions * tile + positions % KvStorage.TilePositions * width;
    }

    // Adds weights [rows, FactorStride] times the values [from, to) of a chunk to sums [rows, ValueStride].
    private void AddValues<TFormat>(float* weights, in ChunkView view, int rows, int from, int to, float* sums)
        where TFormat : struct, IKvFormat
    {
        int stride = _cache.ValueStride, width = TFormat.ElementBytes;
        for (int i = from, end; i < to; i = end)
        {
            end = Math.Min(to, (i / Group + 1) * Group);
            byte* first = (byte*)view.Values[i / Group] + (long)(i % Group) * stride * width;
            for (int d = 0, vectors; d < stride; d += vectors * TLanes.Count)
            {
                vectors = AttentionTiles.VectorsAtOnce<TLanes>(rows, stride - d);
                CacheVectors values = new()
                {
                    First = first + d * width,
                    Second = TLanes.Count * width,
                    Third = 2 * TLanes.Count * width,
                    Step = stride * width,
                    Ahead = view.ValuesAhead[i / Group],
                };
                AttentionTiles.Sum<TLanes, TFormat>(rows, vectors, weights + i, values, end - i, sums + d, stride, sums + d, stride);
            }
        }
    }

    // Rows in the lanes of one virtual vector; those that see nothing of the chunk stay as they are.
    private void Merge(in Band band, int strip, int height, int* from, int* to, float* chunkMaxima, float* chunkTotals)
    {
        float* oldScales = stackalloc float[StripLanes], newScales = stackalloc float[StripLanes], maxima = stackalloc float[StripLanes];
        float* bandMaxima = band.Maxima + strip, bandTotals = band.Totals + strip;
        for (int lane = 0; lane < StripLanes; lane += TLanes.Count)
        {
            TLanes old = TLanes.Load(bandMaxima + lane), fresh = TLanes.Load(chunkMaxima + lane), max = TLanes.MaxNumber(old, fresh);
            TLanes.Store(max, maxima + lane);
            TLanes.Store(Vectors.Exp(old - max), oldScales + lane);
            TLanes.Store(Vectors.Exp(fresh - max), newScales + lane);
        }

        for (int r = 0; r < height; r++)
        {
            if (from[r] >= to[r])
            {
                continue;
            }

            TLanes old = TLanes.Broadcast(oldScales[r]), fresh = TLanes.Broadcast(newScales[r]);
            float* sums = band.Sums + (strip + r) * _cache.ValueStride, chunkSums = band.ChunkSums + r * _cache.ValueStride;
            for (int d = 0; d < _cache.ValueStride; d += TLanes.Count)
            {
                TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(chunkSums + d), fresh, TLanes.Load(sums + d) * old), sums + d);
            }

            bandTotals[r] = MathF.FusedMultiplyAdd(chunkTotals[r], newScales[r], bandTotals[r] * oldScales[r]);
            bandMaxima[r] = maxima[r];
        }
    }

    // The rows at hand: those of one position, head after head, then those of the next.
    private struct Band
    {
        public float* Queries, Sums, Maxima, Totals, Scores, ChunkSums, WideKeys, WideValues;
        public int FirstPosition, HeadsPerKey, Rows;

        public readonly int Position(int row) => FirstPosition + row / HeadsPerKey;
    }

    private struct ChunkView
    {
        public GroupAddresses Keys, Values, KeyScales, ValueScales, KeysAhead, ValuesAhead;
    }

    // One address or distance for each group of a chunk.
    [InlineArray(GroupsPerChunk)]
    private struct GroupAddresses
    {
        private nint _first;
    }
}
