using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <content>
/// The attention of rows. All query heads of one key head at successive positions of one sequence make a band, or of many key heads where
/// positions are few; a band runs over the chunks of the cache, so that a chunk is read from far away once, and in each chunk strip by strip
/// over its register tiles.
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
        Band band = TakeBand<TFormat>(_scratch[worker]);
        long cost = Cost(0, _batch.Rows) * _cache.Heads, begin = cost * worker / workers, end = cost * (worker + 1) / workers;
        foreach (RaggedBatch.SequenceSpan span in _batch.Spans)
        {
            if (span.Rows * band.HeadsPerKey <= TLanes.TileRows)
            {
                AttendHeads<TFormat>(ref band, span, begin, end);
            }
            else
            {
                AttendRows<TFormat>(ref band, span, begin, end);
            }

            cost = Cost(span.FirstRow, span.Rows) * _cache.Heads;
            (begin, end) = (begin - cost, end - cost);
        }
    }

    // Of a span of few rows the heads whose cost begins in [begin, end): many at once, since their keys and values lie side by side.
    private void AttendHeads<TFormat>(ref Band band, RaggedBatch.SequenceSpan span, long begin, long end)
        where TFormat : struct, IKvFormat
    {
        long headCost = Cost(span.FirstRow, span.Rows);
        int last = HeadsBefore(end), most = BandRows / (span.Rows * band.HeadsPerKey);
        for (int head = HeadsBefore(begin); head < last; head += most)
        {
            Attend<TFormat>(ref band, span.Blocks, head, Math.Min(most, last - head), span.FirstRow, span.Rows);
        }

        int HeadsBefore(long cost) => (int)Math.Clamp((cost + headCost - 1) / headCost, 0, _cache.Heads);
    }

    // Of a span of many rows those whose cost begins in [begin, end), head after head.
    private void AttendRows<TFormat>(ref Band band, RaggedBatch.SequenceSpan span, long begin, long end)
        where TFormat : struct, IKvFormat
    {
        int rowsPerBand = Math.Max(1, BandRows / band.HeadsPerKey), behind = span.FirstRow + span.Rows;
        long headCost = Cost(span.FirstRow, span.Rows);
        for (int head = (int)Math.Clamp(begin / headCost, 0, _cache.Heads); head < _cache.Heads && head * headCost < end; head++)
        {
            long cost = head * headCost;
            int row = span.FirstRow;
            for (; row < behind && cost < begin; row++)
            {
                cost += Seen(row);
            }

            while (row < behind && cost < end)
            {
                int first = row, most = Math.Min(behind, first + rowsPerBand);
                for (; row < most && cost < end; row++)
                {
                    cost += Seen(row);
                }

                Attend<TFormat>(ref band, span.Blocks, head, 1, first, row - first);
            }
        }
    }

    private int Seen(int row) => Math.Min(_batch.Positions[row] + 1, _window);

    private long Cost(int firstRow, int rows)
    {
        long cost = 0;
        for (int row = firstRow; row < firstRow + rows; row++)
        {
            cost += Seen(row);
        }

        return cost;
    }

    private Band TakeBand<TFormat>(Arena arena)
        where TFormat : struct, IKvFormat
    {
        int rows = Math.Max(BandRows, HeadsPerKey), stride = _cache.ValueStride, widened = TFormat.ElementBytes == sizeof(float) ? 0 : Chunk;
        int queryFloats = rows * QueryBlocks * AttentionTiles.FactorStride;
        arena.Reset(
            Arena.Size<float>(queryFloats) + 2 * Arena.Size<float>(rows * stride) + 4 * Arena.Size<float>(rows + StripLanes)
            + Arena.Size<float>(rows * AttentionTiles.FactorStride) + Arena.Size<float>(4 * StripLanes)
            + Arena.Size<float>(widened * _cache.HeadDimension) + Arena.Size<float>(widened * stride));
        Band band = new()
        {
            HeadsPerKey = HeadsPerKey,
            Queries = arena.Take<float>(queryFloats),
            Sums = arena.Take<float>(rows * stride),
            Maxima = arena.Take<float>(rows + StripLanes),
            Totals = arena.Take<float>(rows + StripLanes),
            Scores = arena.Take<float>(rows * AttentionTiles.FactorStride),
            ChunkSums = arena.Take<float>(rows * stride),
            ChunkMaxima = arena.Take<float>(rows + StripLanes),
            ChunkTotals = arena.Take<float>(rows + StripLanes),
            Zeros = arena.Take<float>(4 * StripLanes),
            WideKeys = arena.Take<float>(widened * _cache.HeadDimension),
            WideValues = arena.Take<float>(widened * stride),
        };
        new Span<float>(band.Zeros, 4 * StripLanes).Clear();
        return band;
    }

    private void Attend<TFormat>(ref Band band, int[] blocks, int head, int heads, int firstRow, int rows)
        where TFormat : struct, IKvFormat
    {
        Begin(ref band, head, heads, firstRow, rows);
        int last = band.Position(band.HeadRows - 1);
        for (int chunk = First(band.FirstPosition) / Chunk * Chunk; chunk <= last; chunk += Chunk)
        {
            ChunkView view = View<TFormat>(band, blocks, head, chunk, last);
            if (band.IsStream)
            {
                StreamChunk<TFormat>(band, view);
            }
            else if (TFormat.ElementBytes == sizeof(float))
            {
                AttendChunk<TFormat>(band, view);
            }
            else
            {
                Widen<TFormat>(ref view, band);
                AttendChunk<KvFloat32>(band, view);
            }
        }

        End(band, head, firstRow);
    }

    // Few rows wait for memory: all keys are read in the order in which they lie, group after group and in each head after head, then all values.
    private void StreamChunk<TFormat>(in Band band, in ChunkView view)
        where TFormat : struct, IKvFormat
    {
        for (int group = view.From; group < view.To; group = NextGroup(group))
        {
            for (Strip strip = band.StripAt(0, 0); strip.Head < band.Heads; strip = band.After(strip))
            {
                Score<TFormat>(band, view, strip, group, NextGroup(group));
            }
        }

        for (Strip strip = band.StripAt(0, 0); strip.Head < band.Heads; strip = band.After(strip))
        {
            Weigh(band, view, strip);
        }

        for (int group = view.From; group < view.To; group = NextGroup(group))
        {
            for (Strip strip = band.StripAt(0, 0); strip.Head < band.Heads; strip = band.After(strip))
            {
                AddValues<TFormat>(band, view, strip, group, NextGroup(group));
            }
        }

        for (Strip strip = band.StripAt(0, 0); strip.Head < band.Heads; strip = band.After(strip))
        {
            Merge(band, view, strip);
        }
    }

    // Many rows compute: what belongs to a strip stays near.
    private void AttendChunk<TFormat>(in Band band, in ChunkView view)
        where TFormat : struct, IKvFormat
    {
        for (Strip strip = band.StripAt(0, 0); strip.Head < band.Heads; strip = band.After(strip))
        {
            if (From(band, view, strip.First) < Chunk && To(band, view, strip.Last) > 0)
            {
                Score<TFormat>(band, view, strip, 0, Chunk);
                Weigh(band, view, strip);
                AddValues<TFormat>(band, view, strip, 0, Chunk);
                Merge(band, view, strip);
            }
        }
    }

    // What a row of a head sees of a chunk, [From, To): both grow from row to row, and only the first and the last rows may see nothing.
    private int From(in Band band, in ChunkView view, int row) => Math.Max(0, First(band.Position(row)) - view.Position);

    private static int To(in Band band, in ChunkView view, int row) => Math.Min(Chunk, band.Position(row) + 1 - view.Position);

    // The first position that a row at this position sees.
    private int First(int position) => Math.Max(0, position - _window + 1);

    private void Begin(ref Band band, int head, int heads, int firstRow, int rows)
    {
        int dimension = _cache.HeadDimension;
        band.FirstPosition = _batch.Positions[firstRow];
        band.HeadRows = rows * band.HeadsPerKey;
        band.Heads = heads;
        new Span<float>(band.Sums, band.Rows * _cache.ValueStride).Clear();
        new Span<float>(band.Totals, band.Rows).Clear();
        new Span<float>(band.Maxima, band.Rows).Fill(float.NegativeInfinity);
        for (Strip strip = band.StripAt(0, 0); strip.Head < heads; strip = band.After(strip))
        {
            float* factors = StripQueries(band, strip);
            for (int d = 0; d < dimension; d += AttentionTiles.MostFactors)
            {
                for (int r = strip.First; r <= strip.Last; r++, factors += AttentionTiles.FactorStride)
                {
                    float* query = HeadOf(_queries, band, head + strip.Head, firstRow, r);
                    int count = Math.Min(AttentionTiles.MostFactors, dimension - d);
                    new ReadOnlySpan<float>(query + d, count).CopyTo(new Span<float>(factors, count));
                }
            }
        }
    }

    // [blocks of the head dimension][height][FactorStride].
    private float* StripQueries(in Band band, in Strip strip) => band.Queries + (long)band.Row(strip) * QueryBlocks * AttentionTiles.FactorStride;

    // The query head that a row of a key head stands for.
    private float* HeadOf(Activations x, in Band band, int keyHead, int firstRow, int row)
    {
        (int position, int queryHead) = Math.DivRem(row, band.HeadsPerKey);
        return x.RowPointer(firstRow + position) + (keyHead * band.HeadsPerKey + queryHead) * _cache.HeadDimension;
    }

    private void End(in Band band, int head, int firstRow)
    {
        int dimension = _cache.HeadDimension;
        for (int r = 0; r < band.Rows; r++)
        {
            float* sums = band.Sums + r * _cache.ValueStride, total = band.Totals + r;
            float* destination = HeadOf(_destination, band, head + r / band.HeadRows, firstRow, r % band.HeadRows);
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

    // Where the groups of a chunk lie, as far as the last position, and what is read after them. Chunks begin with a block.
    private ChunkView View<TFormat>(in Band band, int[] blocks, int head, int chunk, int last)
        where TFormat : struct, IKvFormat
    {
        ChunkView view = new()
        {
            Position = chunk,
            From = Math.Max(0, First(band.FirstPosition) - chunk) / Group * Group,
            To = Math.Min(Chunk, last + 1 - chunk),
        };
        for (int g = view.From / Group; g * Group < view.To; g++)
        {
            int position = chunk + g * Group, block = blocks[position / _cache.BlockSize], offset = position % _cache.BlockSize;
            view.Keys[g] = (nint)_cache.Keys(_layer, block, head) + offset * _cache.HeadDimension * TFormat.ElementBytes;
            view.Values[g] = (nint)_cache.Values(_layer, block, head) + offset * _cache.ValueStride * TFormat.ElementBytes;
            view.KeyScales[g] = TFormat.IsScaled ? (nint)(_cache.KeyScales(_layer, block, head) + offset) : 0;
            view.ValueScales[g] = TFormat.IsScaled ? (nint)(_cache.ValueScales(_layer, block, head) + offset) : 0;
        }

        int next = chunk + Chunk;
        view.Behind = next <= last ? (nint)_cache.Keys(_layer, blocks[next / _cache.BlockSize], head) : view.Keys[view.From / Group];
        return view;
    }

    // Groups once widened serve all strips; scales stay where they are.
    private void Widen<TFormat>(ref ChunkView view, in Band band)
        where TFormat : struct, IKvFormat
    {
        for (int g = view.From / Group; g * Group < view.To; g++)
        {
            float* keys = band.WideKeys + g * Group * _cache.HeadDimension, values = band.WideValues + g * Group * _cache.ValueStride;
            Widen<TFormat>((byte*)view.Keys[g], Group * _cache.HeadDimension, keys);
            Widen<TFormat>((byte*)view.Values[g], Group * _cache.ValueStride, values);
            (view.Keys[g], view.Values[g]) = ((nint)keys, (nint)values);
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

    // Scores of a strip at the positions [begin, end) of a chunk, keys' scales included. Whole tiles: what stands outside of what a row sees
    // is not used.
    private void Score<TFormat>(in Band band, in ChunkView view, in Strip strip, int begin, int end)
        where TFormat : struct, IKvFormat
    {
        float* queries = StripQueries(band, strip), scores = band.StripScores(strip);
        nint head = strip.Head * (nint)_cache.KeyHeadBytes;
        int dimension = _cache.HeadDimension, width = TFormat.ElementBytes, tile = dimension * KvStorage.TilePositions * width;
        int vectors = AttentionTiles.VectorsAtOnce<TLanes>(strip.Height, Group), positions = vectors * TLanes.Count;
        int to = Math.Min(end, To(band, view, strip.Last));
        for (int i = Math.Max(begin, From(band, view, strip.First)) / positions * positions; i < to; i += positions)
        {
            int inGroup = i % Group;
            byte* first = (byte*)view.Keys[i / Group] + head + inGroup / KvStorage.TilePositions * tile + inGroup % KvStorage.TilePositions * width;
            byte* ahead = AheadOfKeys(band, view, strip.Head, i) + inGroup * dimension * width;
            for (int d = 0; d < dimension; d += AttentionTiles.MostFactors)
            {
                CacheVectors keys = new()
                {
                    First = first + d * KvStorage.TilePositions * width,
                    Second = Lanes(TLanes.Count),
                    Third = Lanes(2 * TLanes.Count),
                    Step = KvStorage.TilePositions * width,
                    Ahead = ahead + d * positions * width,
                };
                int count = Math.Min(AttentionTiles.MostFactors, dimension - d);
                float* factors = queries + d / AttentionTiles.MostFactors * strip.Height * AttentionTiles.FactorStride;
                (nint start, int stride) = d == 0 ? ((nint)band.Zeros, 0) : ((nint)(scores + i), AttentionTiles.FactorStride);
                AttentionTiles.Sum<TLanes, TFormat>(
                    strip.Height, vectors, factors, keys, count, (float*)start, stride, scores + i, AttentionTiles.FactorStride);
            }
        }

        if (view.KeyScales[view.From / Group] != 0)
        {
            Rescale(band, view, strip, begin, end, view.KeyScales, head);
        }

        nint Lanes(int positions) => positions / KvStorage.TilePositions * tile + positions % KvStorage.TilePositions * width;
    }

    // What is read after the keys of one head in one group: those of the next head, then of the next group, then values.
    private byte* AheadOfKeys(in Band band, in ChunkView view, int head, int position) => (byte*)(
        head + 1 < band.Heads ? view.Keys[position / Group] + (head + 1) * (nint)_cache.KeyHeadBytes
        : NextGroup(position) < view.To ? view.Keys[position / Group + 1]
        : view.Values[view.From / Group]);

    private byte* AheadOfValues(in Band band, in ChunkView view, int head, int position) => (byte*)(
        head + 1 < band.Heads ? view.Values[position / Group] + (head + 1) * (nint)_cache.ValueHeadBytes
        : NextGroup(position) < view.To ? view.Values[position / Group + 1]
        : view.Behind);

    // Multiplies what the rows of a strip see of [begin, end) by the scales of their head, which lie so far behind those of the band's first.
    private void Rescale(in Band band, in ChunkView view, in Strip strip, int begin, int end, in GroupAddresses scales, nint head)
    {
        float* weights = band.StripScores(strip);
        for (int r = strip.First; r <= strip.Last; r++, weights += AttentionTiles.FactorStride)
        {
            int to = Math.Min(end, To(band, view, r));
            for (int i = Math.Max(begin, From(band, view, r)), next; i < to; i = next)
            {
                next = Math.Min(to, NextGroup(i));
                Vectors.Multiply<TLanes>(weights + i, (float*)(scales[i / Group] + head) + i % Group, next - i);
            }
        }
    }

    // Scores become softmax weights of this chunk, which begins without a sum.
    private void Weigh(in Band band, in ChunkView view, in Strip strip)
    {
        float scale = 1f / MathF.Sqrt(_cache.HeadDimension);
        float* weights = band.StripScores(strip), maxima = band.ChunkMaxima + band.Slot(strip), totals = band.ChunkTotals + band.Slot(strip);
        for (int r = strip.First; r <= strip.Last; r++, weights += AttentionTiles.FactorStride, maxima++, totals++)
        {
            int from = From(band, view, r), count = To(band, view, r) - from;
            if (count > 0)
            {
                *maxima = Vectors.ScaleAndMax<TLanes>(weights + from, count, scale);
                *totals = Vectors.ExpAndSum<TLanes>(weights + from, count, *maxima);
            }
        }

        new Span<float>(band.StripSums(strip, _cache.ValueStride), strip.Height * _cache.ValueStride).Clear();
    }

    // Adds weights times the values [begin, end) of a chunk to the strip's sums over the chunk.
    private void AddValues<TFormat>(in Band band, in ChunkView view, in Strip strip, int begin, int end)
        where TFormat : struct, IKvFormat
    {
        if (view.ValueScales[view.From / Group] != 0)
        {
            Rescale(band, view, strip, begin, end, view.ValueScales, strip.Head * (nint)_cache.ValueHeadBytes);
        }

        int sharedFrom = From(band, view, strip.Last), sharedTo = To(band, view, strip.First), stride = _cache.ValueStride;
        float* weights = band.StripScores(strip), sums = band.StripSums(strip, stride);
        bool shares = sharedFrom < sharedTo && strip.Height > 1;
        if (shares)
        {
            // What only some rows see stands before and after what all see.
            for (int r = 0; r < strip.Height; r++)
            {
                int from = Math.Max(begin, From(band, view, strip.First + r));
                AddRows<TFormat>(band, view, strip.Head, weights + r * AttentionTiles.FactorStride, 1, from, Math.Min(end, sharedFrom), sums + r * stride);
            }

            AddRows<TFormat>(band, view, strip.Head, weights, strip.Height, Math.Max(begin, sharedFrom), Math.Min(end, sharedTo), sums);
        }

        for (int r = 0; r < strip.Height; r++)
        {
            int from = Math.Max(begin, shares ? sharedTo : From(band, view, strip.First + r)), to = Math.Min(end, To(band, view, strip.First + r));
            AddRows<TFormat>(band, view, strip.Head, weights + r * AttentionTiles.FactorStride, 1, from, to, sums + r * stride);
        }
    }

    // Adds weights [rows, FactorStride] times the values [from, to) of a head in a chunk to sums [rows, ValueStride].
    private void AddRows<TFormat>(in Band band, in ChunkView view, int head, float* weights, int rows, int from, int to, float* sums)
        where TFormat : struct, IKvFormat
    {
        int stride = _cache.ValueStride, width = TFormat.ElementBytes;
        for (int i = from, next; i < to; i = next)
        {
            next = Math.Min(to, NextGroup(i));
            int offset = i % Group * stride * width;
            byte* first = (byte*)view.Values[i / Group] + head * (nint)_cache.ValueHeadBytes + offset;
            byte* ahead = AheadOfValues(band, view, head, i) + offset;
            for (int d = 0, vectors; d < stride; d += vectors * TLanes.Count)
            {
                vectors = AttentionTiles.VectorsAtOnce<TLanes>(rows, stride - d);
                CacheVectors values = new()
                {
                    First = first + d * width,
                    Second = TLanes.Count * width,
                    Third = 2 * TLanes.Count * width,
                    Step = stride * width,
                    Ahead = ahead + d * (next - i) * width,
                };
                AttentionTiles.Sum<TLanes, TFormat>(rows, vectors, weights + i, values, next - i, sums + d, stride, sums + d, stride);
            }
        }
    }

    // Rows in the lanes of one virtual vector; those that see nothing of the chunk stay as they are.
    private void Merge(in Band band, in ChunkView view, in Strip strip)
    {
        float* oldScales = stackalloc float[StripLanes], newScales = stackalloc float[StripLanes], maxima = stackalloc float[StripLanes];
        float* bandMaxima = band.Maxima + band.Row(strip), bandTotals = band.Totals + band.Row(strip);
        float* chunkMaxima = band.ChunkMaxima + band.Slot(strip), chunkTotals = band.ChunkTotals + band.Slot(strip);
        for (int lane = 0; lane < StripLanes; lane += TLanes.Count)
        {
            TLanes old = TLanes.Load(bandMaxima + lane), fresh = TLanes.Load(chunkMaxima + lane), max = TLanes.MaxNumber(old, fresh);
            TLanes.Store(max, maxima + lane);
            TLanes.Store(Vectors.Exp(old - max), oldScales + lane);
            TLanes.Store(Vectors.Exp(fresh - max), newScales + lane);
        }

        float* sums = band.Sums + band.Row(strip) * _cache.ValueStride, chunkSums = band.StripSums(strip, _cache.ValueStride);
        for (int r = 0; r < strip.Height; r++, sums += _cache.ValueStride, chunkSums += _cache.ValueStride)
        {
            if (From(band, view, strip.First + r) >= To(band, view, strip.First + r))
            {
                continue;
            }

            TLanes old = TLanes.Broadcast(oldScales[r]), fresh = TLanes.Broadcast(newScales[r]);
            for (int d = 0; d < _cache.ValueStride; d += TLanes.Count)
            {
                TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(chunkSums + d), fresh, TLanes.Load(sums + d) * old), sums + d);
            }

            bandTotals[r] = MathF.FusedMultiplyAdd(chunkTotals[r], newScales[r], bandTotals[r] * oldScales[r]);
            bandMaxima[r] = maxima[r];
        }
    }

    private static int NextGroup(int position) => (position / Group + 1) * Group;

    // Rows of one key head of a band that the register tiles take together.
    private readonly record struct Strip(int Head, int First, int Height)
    {
        public int Last => First + Height - 1;
    }

    // The rows at hand: of one key head those of one position, query head after query head, then those of the next; then the next key head.
    private struct Band
    {
        public float* Queries, Sums, Maxima, Totals, Scores, ChunkSums, ChunkMaxima, ChunkTotals, Zeros, WideKeys, WideValues;
        public int FirstPosition, HeadsPerKey, HeadRows, Heads;

        public readonly int Rows => Heads * HeadRows;

        // Few rows wait for memory, many compute.
        public readonly bool IsStream => HeadRows <= TLanes.TileRows;

        // The position of a row of a head.
        public readonly int Position(int row) => FirstPosition + row / HeadsPerKey;

        public readonly Strip StripAt(int head, int row) => new(head, row, PackedRows.StripRows(row, HeadRows, TLanes.TileRows));

        public readonly Strip After(in Strip strip) =>
            strip.First + strip.Height < HeadRows ? StripAt(strip.Head, strip.First + strip.Height) : StripAt(strip.Head + 1, 0);

        public readonly int Row(in Strip strip) => strip.Head * HeadRows + strip.First;

        // Where the state of a strip in a chunk stands: all at once while streaming, otherwise one in the place of the other.
        public readonly int Slot(in Strip strip) => IsStream ? Row(strip) : 0;

        public readonly float* StripScores(in Strip strip) => Scores + Slot(strip) * AttentionTiles.FactorStride;

        public readonly float* StripSums(in Strip strip, int stride) => ChunkSums + Slot(strip) * stride;
    }

    // A chunk from its first position on; what the band's rows see lies in [From, To), From rounded down to a group. Addresses are those of the
    // band's first head; Behind is read after the chunk.
    private struct ChunkView
    {
        public int Position, From, To;
        public nint Behind;
        public GroupAddresses Keys, Values, KeyScales, ValueScales;
    }

    // One address for each group of a chunk.
    [InlineArray(GroupsPerChunk)]
    private struct GroupAddresses
    {
        private nint _first;
    }
}
