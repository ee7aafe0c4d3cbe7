using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <content>
/// Register tiles: rows x 2 vectors of accumulators over one block of k. Every output is one lane that starts from zero and takes one
/// fused multiply-add per k, in the order of k; a finished block sum is stored or added to what stands in y.
/// </content>
/// <remarks>
/// One method per height, since only named locals stay in registers. The activations of a tile lie as [k][rows]. The weights of the odd k
/// are loaded after those of the even k are used, through a pointer of their own: from the same pointer the compiler would load both at
/// once, and with 16 registers both do not fit.
/// </remarks>
internal static unsafe partial class Products
{
    // The widening instructions of a narrow format fill the reorder window before the hardware prefetcher is far enough ahead.
    private const int PrefetchBytes = 4096;

    /// <summary>12 rows, 2 vectors of outputs.</summary>
    private static void Tile12<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, c1 = TLanes.Zero, d1 = TLanes.Zero, c2 = TLanes.Zero, d2 = TLanes.Zero,
            c3 = TLanes.Zero, d3 = TLanes.Zero, c4 = TLanes.Zero, d4 = TLanes.Zero, c5 = TLanes.Zero, d5 = TLanes.Zero,
            c6 = TLanes.Zero, d6 = TLanes.Zero, c7 = TLanes.Zero, d7 = TLanes.Zero, c8 = TLanes.Zero, d8 = TLanes.Zero,
            c9 = TLanes.Zero, d9 = TLanes.Zero, c10 = TLanes.Zero, d10 = TLanes.Zero, c11 = TLanes.Zero, d11 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 24, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[6]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[7]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
            x = TLanes.Broadcast(a[8]);
            c8 = TLanes.FusedMultiplyAdd(p, x, c8);
            d8 = TLanes.FusedMultiplyAdd(q, x, d8);
            x = TLanes.Broadcast(a[9]);
            c9 = TLanes.FusedMultiplyAdd(p, x, c9);
            d9 = TLanes.FusedMultiplyAdd(q, x, d9);
            x = TLanes.Broadcast(a[10]);
            c10 = TLanes.FusedMultiplyAdd(p, x, c10);
            d10 = TLanes.FusedMultiplyAdd(q, x, d10);
            x = TLanes.Broadcast(a[11]);
            c11 = TLanes.FusedMultiplyAdd(p, x, c11);
            d11 = TLanes.FusedMultiplyAdd(q, x, d11);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[12]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[13]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[14]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[15]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[16]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[17]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[18]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[19]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
            x = TLanes.Broadcast(a[20]);
            c8 = TLanes.FusedMultiplyAdd(p, x, c8);
            d8 = TLanes.FusedMultiplyAdd(q, x, d8);
            x = TLanes.Broadcast(a[21]);
            c9 = TLanes.FusedMultiplyAdd(p, x, c9);
            d9 = TLanes.FusedMultiplyAdd(q, x, d9);
            x = TLanes.Broadcast(a[22]);
            c10 = TLanes.FusedMultiplyAdd(p, x, c10);
            d10 = TLanes.FusedMultiplyAdd(q, x, d10);
            x = TLanes.Broadcast(a[23]);
            c11 = TLanes.FusedMultiplyAdd(p, x, c11);
            d11 = TLanes.FusedMultiplyAdd(q, x, d11);
        }

        Finish(c0, d0, y, add);
        Finish(c1, d1, y + stride, add);
        Finish(c2, d2, y + 2 * stride, add);
        Finish(c3, d3, y + 3 * stride, add);
        Finish(c4, d4, y + 4 * stride, add);
        Finish(c5, d5, y + 5 * stride, add);
        Finish(c6, d6, y + 6 * stride, add);
        Finish(c7, d7, y + 7 * stride, add);
        Finish(c8, d8, y + 8 * stride, add);
        Finish(c9, d9, y + 9 * stride, add);
        Finish(c10, d10, y + 10 * stride, add);
        Finish(c11, d11, y + 11 * stride, add);
    }

    /// <summary>8 rows, 2 vectors of outputs.</summary>
    private static void Tile8<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, c1 = TLanes.Zero, d1 = TLanes.Zero, c2 = TLanes.Zero, d2 = TLanes.Zero,
            c3 = TLanes.Zero, d3 = TLanes.Zero, c4 = TLanes.Zero, d4 = TLanes.Zero, c5 = TLanes.Zero, d5 = TLanes.Zero,
            c6 = TLanes.Zero, d6 = TLanes.Zero, c7 = TLanes.Zero, d7 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 16, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[6]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[7]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[8]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[9]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[10]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[11]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[12]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[13]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            x = TLanes.Broadcast(a[14]);
            c6 = TLanes.FusedMultiplyAdd(p, x, c6);
            d6 = TLanes.FusedMultiplyAdd(q, x, d6);
            x = TLanes.Broadcast(a[15]);
            c7 = TLanes.FusedMultiplyAdd(p, x, c7);
            d7 = TLanes.FusedMultiplyAdd(q, x, d7);
        }

        Finish(c0, d0, y, add);
        Finish(c1, d1, y + stride, add);
        Finish(c2, d2, y + 2 * stride, add);
        Finish(c3, d3, y + 3 * stride, add);
        Finish(c4, d4, y + 4 * stride, add);
        Finish(c5, d5, y + 5 * stride, add);
        Finish(c6, d6, y + 6 * stride, add);
        Finish(c7, d7, y + 7 * stride, add);
    }

    /// <summary>6 rows, 2 vectors of outputs.</summary>
    private static void Tile6<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, c1 = TLanes.Zero, d1 = TLanes.Zero, c2 = TLanes.Zero, d2 = TLanes.Zero,
            c3 = TLanes.Zero, d3 = TLanes.Zero, c4 = TLanes.Zero, d4 = TLanes.Zero, c5 = TLanes.Zero, d5 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 12, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[4]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[5]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[6]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[7]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[8]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[9]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            x = TLanes.Broadcast(a[10]);
            c4 = TLanes.FusedMultiplyAdd(p, x, c4);
            d4 = TLanes.FusedMultiplyAdd(q, x, d4);
            x = TLanes.Broadcast(a[11]);
            c5 = TLanes.FusedMultiplyAdd(p, x, c5);
            d5 = TLanes.FusedMultiplyAdd(q, x, d5);
        }

        Finish(c0, d0, y, add);
        Finish(c1, d1, y + stride, add);
        Finish(c2, d2, y + 2 * stride, add);
        Finish(c3, d3, y + 3 * stride, add);
        Finish(c4, d4, y + 4 * stride, add);
        Finish(c5, d5, y + 5 * stride, add);
    }

    /// <summary>4 rows, 2 vectors of outputs.</summary>
    private static void Tile4<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, c1 = TLanes.Zero, d1 = TLanes.Zero, c2 = TLanes.Zero, d2 = TLanes.Zero,
            c3 = TLanes.Zero, d3 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 8, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[2]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[3]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[4]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[5]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            x = TLanes.Broadcast(a[6]);
            c2 = TLanes.FusedMultiplyAdd(p, x, c2);
            d2 = TLanes.FusedMultiplyAdd(q, x, d2);
            x = TLanes.Broadcast(a[7]);
            c3 = TLanes.FusedMultiplyAdd(p, x, c3);
            d3 = TLanes.FusedMultiplyAdd(q, x, d3);
        }

        Finish(c0, d0, y, add);
        Finish(c1, d1, y + stride, add);
        Finish(c2, d2, y + 2 * stride, add);
        Finish(c3, d3, y + 3 * stride, add);
    }

    /// <summary>2 rows, 2 vectors of outputs.</summary>
    private static void Tile2<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, c1 = TLanes.Zero, d1 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 4, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[2]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            x = TLanes.Broadcast(a[3]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
        }

        Finish(c0, d0, y, add);
        Finish(c1, d1, y + stride, add);
    }

    /// <summary>2 rows, 4 vectors of outputs.</summary>
    private static void Tile2x4<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero, e0 = TLanes.Zero, f0 = TLanes.Zero;
        TLanes c1 = TLanes.Zero, d1 = TLanes.Zero, e1 = TLanes.Zero, f1 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 4, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 4 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step);
            TLanes r = TFormat.LoadEven<TLanes>(w + 2 * step), s = TFormat.LoadEven<TLanes>(w + 3 * step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            e0 = TLanes.FusedMultiplyAdd(r, x, e0);
            f0 = TLanes.FusedMultiplyAdd(s, x, f0);
            x = TLanes.Broadcast(a[1]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            e1 = TLanes.FusedMultiplyAdd(r, x, e1);
            f1 = TLanes.FusedMultiplyAdd(s, x, f1);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            r = TFormat.LoadOdd<TLanes>(odd + 2 * step);
            s = TFormat.LoadOdd<TLanes>(odd + 3 * step);
            x = TLanes.Broadcast(a[2]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            e0 = TLanes.FusedMultiplyAdd(r, x, e0);
            f0 = TLanes.FusedMultiplyAdd(s, x, f0);
            x = TLanes.Broadcast(a[3]);
            c1 = TLanes.FusedMultiplyAdd(p, x, c1);
            d1 = TLanes.FusedMultiplyAdd(q, x, d1);
            e1 = TLanes.FusedMultiplyAdd(r, x, e1);
            f1 = TLanes.FusedMultiplyAdd(s, x, f1);
        }

        Finish(c0, d0, y, add);
        Finish(e0, f0, y + 2 * TLanes.Count, add);
        Finish(c1, d1, y + stride, add);
        Finish(e1, f1, y + stride + 2 * TLanes.Count, add);
    }

    /// <summary>1 row, 2 vectors of outputs.</summary>
    private static void Tile1<TLanes, TFormat>(float* a, byte* w, float* y, long stride, int pairs, bool add, byte* next)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        byte* odd = w;
        TLanes c0 = TLanes.Zero, d0 = TLanes.Zero;
        for (; pairs > 0; pairs--, a += 2, w += TFormat.PairBytes, odd += TFormat.PairBytes)
        {
            PrefetchNext<TFormat>(ref next, 2 * TLanes.Count);
            TLanes p = TFormat.LoadEven<TLanes>(w), q = TFormat.LoadEven<TLanes>(w + step), x;
            x = TLanes.Broadcast(a[0]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
            p = TFormat.LoadOdd<TLanes>(odd);
            q = TFormat.LoadOdd<TLanes>(odd + step);
            x = TLanes.Broadcast(a[1]);
            c0 = TLanes.FusedMultiplyAdd(p, x, c0);
            d0 = TLanes.FusedMultiplyAdd(q, x, d0);
        }

        Finish(c0, d0, y, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TLanes>(TLanes first, TLanes second, float* y, bool add)
        where TLanes : struct, ILanes<TLanes>
    {
        if (add)
        {
            first = TLanes.Load(y) + first;
            second = TLanes.Load(y + TLanes.Count) + second;
        }

        TLanes.Store(first, y);
        TLanes.Store(second, y + TLanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch<TFormat>(byte* w)
        where TFormat : struct, IPanelFormat
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(w + PrefetchBytes);
            Sse.Prefetch0(w + PrefetchBytes + 64);
            if (TFormat.PairBytes > 128)
            {
                Sse.Prefetch0(w + PrefetchBytes + 128);
                Sse.Prefetch0(w + PrefetchBytes + 192);
            }
        }
    }

    // Bytes of the weights that come next that a tile fetches with each pair: as many as it reads, so that one strip fetches all.
    private static int FetchBytes<TFormat>(int lanes)
        where TFormat : struct, IPanelFormat => Math.Max(LineBytes, TFormat.PairBytes * lanes / PackedMatrix.PanelRows);

    // Into the second-level cache: the first holds the weights in use.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchNext<TFormat>(ref byte* next, int lanes)
        where TFormat : struct, IPanelFormat
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1(next);
            if (FetchBytes<TFormat>(lanes) > LineBytes)
            {
                Sse.Prefetch1(next + LineBytes);
            }

            if (FetchBytes<TFormat>(lanes) > 2 * LineBytes)
            {
                Sse.Prefetch1(next + 2 * LineBytes);
                Sse.Prefetch1(next + 3 * LineBytes);
            }
        }

        next += FetchBytes<TFormat>(lanes);
    }
}
