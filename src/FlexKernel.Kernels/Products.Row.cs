namespace FlexKernel.Kernels;

/// <content>
/// One row: the weights stream from memory once, so a whole panel is one call and its sums stay in registers across the blocks of k.
/// </content>
internal static unsafe partial class Products
{
    private static void MultiplyRow<TLanes, TFormat>(float* x, byte* panel, float* y, int totalPairs, bool add)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        // Two 16-lane vectors cover a panel; narrower ones go four at a time, for enough independent chains.
        if (TLanes.Count == 16)
        {
            MultiplyRow2<TLanes, TFormat>(x, panel, y, totalPairs, add);
        }
        else
        {
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane += 4 * TLanes.Count)
            {
                MultiplyRow4<TLanes, TFormat>(x, panel + lane * sizeof(float), y + lane, totalPairs, add);
            }
        }
    }

    private static void MultiplyRow2<TLanes, TFormat>(float* x, byte* w, float* y, int totalPairs, bool add)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        TLanes s0 = TLanes.Load(y), s1 = TLanes.Load(y + TLanes.Count);
        for (int pair = 0; pair < totalPairs; pair += BlockPairs)
        {
            TLanes c0 = TLanes.Zero, c1 = TLanes.Zero;
            for (int pairs = Math.Min(BlockPairs, totalPairs - pair); pairs > 0; pairs--, x += 2, w += TFormat.PairBytes)
            {
                Prefetch<TFormat>(w);
                TLanes v = TLanes.Broadcast(x[0]);
                c0 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w), v, c0);
                c1 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w + step), v, c1);
                v = TLanes.Broadcast(x[1]);
                c0 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w), v, c0);
                c1 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w + step), v, c1);
            }

            if (add || pair > 0)
            {
                (c0, c1) = (s0 + c0, s1 + c1);
            }

            (s0, s1) = (c0, c1);
        }

        TLanes.Store(s0, y);
        TLanes.Store(s1, y + TLanes.Count);
    }

    private static void MultiplyRow4<TLanes, TFormat>(float* x, byte* w, float* y, int totalPairs, bool add)
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IPanelFormat
    {
        int step = TLanes.Count * sizeof(float);
        TLanes s0 = TLanes.Load(y), s1 = TLanes.Load(y + TLanes.Count);
        TLanes s2 = TLanes.Load(y + 2 * TLanes.Count), s3 = TLanes.Load(y + 3 * TLanes.Count);
        for (int pair = 0; pair < totalPairs; pair += BlockPairs)
        {
            TLanes c0 = TLanes.Zero, c1 = TLanes.Zero, c2 = TLanes.Zero, c3 = TLanes.Zero;
            for (int pairs = Math.Min(BlockPairs, totalPairs - pair); pairs > 0; pairs--, x += 2, w += TFormat.PairBytes)
            {
                Prefetch<TFormat>(w);
                TLanes v = TLanes.Broadcast(x[0]);
                c0 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w), v, c0);
                c1 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w + step), v, c1);
                c2 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w + 2 * step), v, c2);
                c3 = TLanes.FusedMultiplyAdd(TFormat.LoadEven<TLanes>(w + 3 * step), v, c3);
                v = TLanes.Broadcast(x[1]);
                c0 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w), v, c0);
                c1 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w + step), v, c1);
                c2 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w + 2 * step), v, c2);
                c3 = TLanes.FusedMultiplyAdd(TFormat.LoadOdd<TLanes>(w + 3 * step), v, c3);
            }

            if (add || pair > 0)
            {
                (c0, c1, c2, c3) = (s0 + c0, s1 + c1, s2 + c2, s3 + c3);
            }

            (s0, s1, s2, s3) = (c0, c1, c2, c3);
        }

        TLanes.Store(s0, y);
        TLanes.Store(s1, y + TLanes.Count);
        TLanes.Store(s2, y + 2 * TLanes.Count);
        TLanes.Store(s3, y + 3 * TLanes.Count);
    }
}
