using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>
/// Register tiles of attention: for every row <c>y = Σ_k factors[k] · w[k]</c> over vectors of the cache. For scores the rows are queries,
/// k is the head dimension and a lane is a position; for outputs the rows are softmax weights, k is a position and a lane is a dimension.
/// </summary>
/// <remarks>
/// Every output is one lane that takes one fused multiply-add per k, in the order of k. The factors of
/// successive rows lie <see cref="FactorStride"/> apart. One method per height, since only named locals stay in registers.
/// </remarks>
internal static unsafe class AttentionTiles
{
    /// <summary>Floats from the factors of one row to those of the next: a constant, so that all rows share one address register.</summary>
    public const int FactorStride = MostFactors;

    /// <summary>The most k of one tile.</summary>
    public const int MostFactors = KvStorage.ChunkPositions;

    private const int LineBytes = 64;

    /// <summary>How many vectors of so many lanes one call sums: four for one row, since two alone would wait for each other.</summary>
    public static int VectorsAtOnce<TLanes>(int rows, int lanes)
        where TLanes : struct, ILanes<TLanes> => rows == 1 && lanes >= 4 * TLanes.Count ? 4 : 2;

    /// <summary>Sums one tile.</summary>
    /// <param name="rows">12 or 8 (where they fit), 6, 4, 2 or 1.</param>
    /// <param name="vectors">2, or 4 for one row.</param>
    /// <param name="factors">[rows][count], rows <see cref="FactorStride"/> floats apart.</param>
    /// <param name="cache">The first vector of k = 0, and how the others lie.</param>
    /// <param name="count">Number of k.</param>
    /// <param name="start">What the sums start from: y itself, or zeros.</param>
    /// <param name="startStride">Floats from row to row of it; 0 for one row that serves all.</param>
    /// <param name="y">Receives [rows][vectors · lanes].</param>
    /// <param name="stride">Floats from row to row of y.</param>
    public static void Sum<TLanes, TFormat>(int rows, int vectors, float* factors, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        switch (rows)
        {
            case 12:
                Tile12<TLanes, TFormat>(factors, cache, count, start, startStride, y, stride);
                break;
            case 8:
                Tile8<TLanes, TFormat>(factors, cache, count, start, startStride, y, stride);
                break;
            case 6:
                Tile6<TLanes, TFormat>(factors, cache, count, start, startStride, y, stride);
                break;
            case 4:
                Tile4<TLanes, TFormat>(factors, cache, count, start, startStride, y, stride);
                break;
            case 2:
                Tile2<TLanes, TFormat>(factors, cache, count, start, startStride, y, stride);
                break;
            default:
                if (vectors == 4)
                {
                    Row4<TLanes, TFormat>(factors, cache, count, start, y);
                }
                else
                {
                    Row2<TLanes, TFormat>(factors, cache, count, start, y);
                }

                break;
        }
    }

    /// <summary>12 rows, 2 vectors.</summary>
    private static void Tile12<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), d0 = TLanes.Load(start + TLanes.Count),
            c1 = TLanes.Load(start + startStride), d1 = TLanes.Load(start + startStride + TLanes.Count),
            c2 = TLanes.Load(start + 2 * startStride), d2 = TLanes.Load(start + 2 * startStride + TLanes.Count),
            c3 = TLanes.Load(start + 3 * startStride), d3 = TLanes.Load(start + 3 * startStride + TLanes.Count),
            c4 = TLanes.Load(start + 4 * startStride), d4 = TLanes.Load(start + 4 * startStride + TLanes.Count),
            c5 = TLanes.Load(start + 5 * startStride), d5 = TLanes.Load(start + 5 * startStride + TLanes.Count),
            c6 = TLanes.Load(start + 6 * startStride), d6 = TLanes.Load(start + 6 * startStride + TLanes.Count),
            c7 = TLanes.Load(start + 7 * startStride), d7 = TLanes.Load(start + 7 * startStride + TLanes.Count),
            c8 = TLanes.Load(start + 8 * startStride), d8 = TLanes.Load(start + 8 * startStride + TLanes.Count),
            c9 = TLanes.Load(start + 9 * startStride), d9 = TLanes.Load(start + 9 * startStride + TLanes.Count),
            c10 = TLanes.Load(start + 10 * startStride), d10 = TLanes.Load(start + 10 * startStride + TLanes.Count),
            c11 = TLanes.Load(start + 11 * startStride), d11 = TLanes.Load(start + 11 * startStride + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes p = TFormat.Load<TLanes>(w), q = TFormat.Load<TLanes>(v), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[FactorStride]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2 * FactorStride]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3 * FactorStride]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4 * FactorStride]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5 * FactorStride]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[6 * FactorStride]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[7 * FactorStride]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
            x = TLanes.Broadcast(a[8 * FactorStride]);
            c8 = TLanes.FusedMultiplyAdd(p, x, c8);
            d8 = TLanes.FusedMultiplyAdd(q, x, d8);
            x = TLanes.Broadcast(a[9 * FactorStride]);
            c9 = TLanes.FusedMultiplyAdd(p, x, c9);
            d9 = TLanes.FusedMultiplyAdd(q, x, d9);
            x = TLanes.Broadcast(a[10 * FactorStride]);
            c10 = TLanes.FusedMultiplyAdd(p, x, c10);
            d10 = TLanes.FusedMultiplyAdd(q, x, d10);
            x = TLanes.Broadcast(a[11 * FactorStride]);
            c11 = TLanes.FusedMultiplyAdd(p, x, c11);
            d11 = TLanes.FusedMultiplyAdd(q, x, d11);
        }

        Store(c0, d0, y);
        Store(c1, d1, y + stride);
        Store(c2, d2, y + 2 * stride);
        Store(c3, d3, y + 3 * stride);
        Store(c4, d4, y + 4 * stride);
        Store(c5, d5, y + 5 * stride);
        Store(c6, d6, y + 6 * stride);
        Store(c7, d7, y + 7 * stride);
        Store(c8, d8, y + 8 * stride);
        Store(c9, d9, y + 9 * stride);
        Store(c10, d10, y + 10 * stride);
        Store(c11, d11, y + 11 * stride);
    }

    /// <summary>8 rows, 2 vectors.</summary>
    private static void Tile8<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), d0 = TLanes.Load(start + TLanes.Count),
            c1 = TLanes.Load(start + startStride), d1 = TLanes.Load(start + startStride + TLanes.Count),
            c2 = TLanes.Load(start + 2 * startStride), d2 = TLanes.Load(start + 2 * startStride + TLanes.Count),
            c3 = TLanes.Load(start + 3 * startStride), d3 = TLanes.Load(start + 3 * startStride + TLanes.Count),
            c4 = TLanes.Load(start + 4 * startStride), d4 = TLanes.Load(start + 4 * startStride + TLanes.Count),
            c5 = TLanes.Load(start + 5 * startStride), d5 = TLanes.Load(start + 5 * startStride + TLanes.Count),
            c6 = TLanes.Load(start + 6 * startStride), d6 = TLanes.Load(start + 6 * startStride + TLanes.Count),
            c7 = TLanes.Load(start + 7 * startStride), d7 = TLanes.Load(start + 7 * startStride + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes p = TFormat.Load<TLanes>(w), q = TFormat.Load<TLanes>(v), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[FactorStride]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2 * FactorStride]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3 * FactorStride]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4 * FactorStride]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5 * FactorStride]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[6 * FactorStride]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[7 * FactorStride]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
        }

        Store(c0, d0, y);
        Store(c1, d1, y + stride);
        Store(c2, d2, y + 2 * stride);
        Store(c3, d3, y + 3 * stride);
        Store(c4, d4, y + 4 * stride);
        Store(c5, d5, y + 5 * stride);
        Store(c6, d6, y + 6 * stride);
        Store(c7, d7, y + 7 * stride);
    }

    /// <summary>6 rows, 2 vectors.</summary>
    private static void Tile6<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), d0 = TLanes.Load(start + TLanes.Count),
            c1 = TLanes.Load(start + startStride), d1 = TLanes.Load(start + startStride + TLanes.Count),
            c2 = TLanes.Load(start + 2 * startStride), d2 = TLanes.Load(start + 2 * startStride + TLanes.Count),
            c3 = TLanes.Load(start + 3 * startStride), d3 = TLanes.Load(start + 3 * startStride + TLanes.Count),
            c4 = TLanes.Load(start + 4 * startStride), d4 = TLanes.Load(start + 4 * startStride + TLanes.Count),
            c5 = TLanes.Load(start + 5 * startStride), d5 = TLanes.Load(start + 5 * startStride + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes p = TFormat.Load<TLanes>(w), q = TFormat.Load<TLanes>(v), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[FactorStride]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2 * FactorStride]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3 * FactorStride]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4 * FactorStride]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5 * FactorStride]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
        }

        Store(c0, d0, y);
        Store(c1, d1, y + stride);
        Store(c2, d2, y + 2 * stride);
        Store(c3, d3, y + 3 * stride);
        Store(c4, d4, y + 4 * stride);
        Store(c5, d5, y + 5 * stride);
    }

    /// <summary>4 rows, 2 vectors.</summary>
    private static void Tile4<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), d0 = TLanes.Load(start + TLanes.Count),
            c1 = TLanes.Load(start + startStride), d1 = TLanes.Load(start + startStride + TLanes.Count),
            c2 = TLanes.Load(start + 2 * startStride), d2 = TLanes.Load(start + 2 * startStride + TLanes.Count),
            c3 = TLanes.Load(start + 3 * startStride), d3 = TLanes.Load(start + 3 * startStride + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes p = TFormat.Load<TLanes>(w), q = TFormat.Load<TLanes>(v), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[FactorStride]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2 * FactorStride]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3 * FactorStride]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
        }

        Store(c0, d0, y);
        Store(c1, d1, y + stride);
        Store(c2, d2, y + 2 * stride);
        Store(c3, d3, y + 3 * stride);
    }

    /// <summary>2 rows, 2 vectors.</summary>
    private static void Tile2<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, int startStride, float* y, int stride)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), d0 = TLanes.Load(start + TLanes.Count),
            c1 = TLanes.Load(start + startStride), d1 = TLanes.Load(start + startStride + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes p = TFormat.Load<TLanes>(w), q = TFormat.Load<TLanes>(v), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[FactorStride]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
        }

        Store(c0, d0, y);
        Store(c1, d1, y + stride);
    }

    /// <summary>1 row, 4 vectors.</summary>
    private static void Row4<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, float* y)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w0 = cache.First, w1 = w0 + cache.Second, w2 = w0 + cache.Third, w3 = w2 + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c0 = TLanes.Load(start), c1 = TLanes.Load(start + TLanes.Count);
        TLanes c2 = TLanes.Load(start + 2 * TLanes.Count), c3 = TLanes.Load(start + 3 * TLanes.Count);
        for (; count > 0; count--, a++, w0 += step, w1 += step, w2 += step, w3 += step, ahead += 4 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 4 * TLanes.Count * TFormat.ElementBytes);
            TLanes x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(w0), x, c0);
            c1 = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(w1), x, c1);
            c2 = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(w2), x, c2);
            c3 = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(w3), x, c3);
        }

        Store(c0, c1, y);
        Store(c2, c3, y + 2 * TLanes.Count);
    }

    /// <summary>1 row, 2 vectors.</summary>
    private static void Row2<TLanes, TFormat>(float* a, CacheVectors cache, int count, float* start, float* y)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IKvFormat
    {
        byte* w = cache.First, v = w + cache.Second, ahead = cache.Ahead;
        nint step = cache.Step;
        TLanes c = TLanes.Load(start), d = TLanes.Load(start + TLanes.Count);
        for (; count > 0; count--, a++, w += step, v += step, ahead += 2 * TLanes.Count * TFormat.ElementBytes)
        {
            Prefetch(ahead, 2 * TLanes.Count * TFormat.ElementBytes);
            TLanes x = TLanes.Broadcast(a[0]);
            c = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(w), x, c);
            d = TLanes.FusedMultiplyAdd(TFormat.Load<TLanes>(v), x, d);
        }

        Store(c, d, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLanes>(TLanes first, TLanes second, float* y)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes.Store(first, y);
        TLanes.Store(second, y + TLanes.Count);
    }

    // As many bytes as a step reads, one behind the other whatever order they will be read in: memory answers a single stream fastest.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* line, int bytes)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(line);
            if (bytes > LineBytes)
            {
                Sse.Prefetch0(line + LineBytes);
            }

            if (bytes > 2 * LineBytes)
            {
                Sse.Prefetch0(line + 2 * LineBytes);
                Sse.Prefetch0(line + 3 * LineBytes);
            }
        }
    }
}

/// <summary>Where the vectors of a tile lie; all distances in bytes.</summary>
internal unsafe ref struct CacheVectors
{
    /// <summary>The first vector of k = 0.</summary>
    public byte* First;

    /// <summary>From a vector to the one beside it.</summary>
    public nint Second;

    /// <summary>From the first two vectors to the next two.</summary>
    public nint Third;

    /// <summary>From one k to the next.</summary>
    public nint Step;

    /// <summary>What is read later, to be fetched meanwhile: as many bytes as this reads.</summary>
    public byte* Ahead;
}
