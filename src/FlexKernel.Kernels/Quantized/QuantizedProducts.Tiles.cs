using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <content>
/// Register tiles over all k: integer sums of one block, float sums of one scale of activations, which are added to what stands in y; one
/// method per height, since only named locals stay in registers.
/// </content>
internal static unsafe partial class QuantizedProducts
{
    /// <summary>6 rows, 1 vector of outputs.</summary>
    private static void Tile6<TDots, TLanes, TFormat>(
        sbyte* x, int stride, int* sums, int sumStride, float* scales, int scaleStride, byte* unit, int units, Fetch fetch, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        TDots table = TFormat.Table<TDots>();
        sbyte* x1 = x + stride;
        sbyte* x2 = x + 2 * stride;
        sbyte* x3 = x + 3 * stride;
        sbyte* x4 = x + 4 * stride;
        sbyte* x5 = x + 5 * stride;
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t10 = TLanes.Zero, t20 = TLanes.Zero, t30 = TLanes.Zero, t40 = TLanes.Zero, t50 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                PrefetchUnit<TFormat>(unit, ref fetch);
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]);
                    TDots a10 = TFormat.Start<TDots>(sums[sumStride]);
                    TDots a20 = TFormat.Start<TDots>(sums[2 * sumStride]);
                    TDots a30 = TFormat.Start<TDots>(sums[3 * sumStride]);
                    TDots a40 = TFormat.Start<TDots>(sums[4 * sumStride]);
                    TDots a50 = TFormat.Start<TDots>(sums[5 * sumStride]);
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        TDots w0 = TDots.Load(w), f0 = TFormat.First(w0, table), g0 = TFormat.Second(w0, w, table);
                        TDots u, v;
                        u = TDots.Broadcast(*(int*)(x + k));
                        v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = TFormat.MultiplyAdd(a00, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x1 + k));
                        v = TDots.Broadcast(*(int*)(x1 + k + TFormat.SecondColumn));
                        a10 = TFormat.MultiplyAdd(a10, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x2 + k));
                        v = TDots.Broadcast(*(int*)(x2 + k + TFormat.SecondColumn));
                        a20 = TFormat.MultiplyAdd(a20, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x3 + k));
                        v = TDots.Broadcast(*(int*)(x3 + k + TFormat.SecondColumn));
                        a30 = TFormat.MultiplyAdd(a30, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x4 + k));
                        v = TDots.Broadcast(*(int*)(x4 + k + TFormat.SecondColumn));
                        a40 = TFormat.MultiplyAdd(a40, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x5 + k));
                        v = TDots.Broadcast(*(int*)(x5 + k + TFormat.SecondColumn));
                        a50 = TFormat.MultiplyAdd(a50, f0, u, g0, v);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t10 = AddBlock<TDots, TLanes, TFormat>(a10, p0, t10);
                    t20 = AddBlock<TDots, TLanes, TFormat>(a20, p0, t20);
                    t30 = AddBlock<TDots, TLanes, TFormat>(a30, p0, t30);
                    t40 = AddBlock<TDots, TLanes, TFormat>(a40, p0, t40);
                    t50 = AddBlock<TDots, TLanes, TFormat>(a50, p0, t50);
                    x += Quantization.BlockColumns;
                    x1 += Quantization.BlockColumns;
                    x2 += Quantization.BlockColumns;
                    x3 += Quantization.BlockColumns;
                    x4 += Quantization.BlockColumns;
                    x5 += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t10, scales[scaleStride], y + PackedMatrix.PanelRows);
            AddScaled(t20, scales[2 * scaleStride], y + 2 * PackedMatrix.PanelRows);
            AddScaled(t30, scales[3 * scaleStride], y + 3 * PackedMatrix.PanelRows);
            AddScaled(t40, scales[4 * scaleStride], y + 4 * PackedMatrix.PanelRows);
            AddScaled(t50, scales[5 * scaleStride], y + 5 * PackedMatrix.PanelRows);
        }
    }

    /// <summary>4 rows, 2 vectors of outputs.</summary>
    private static void Tile4x2<TDots, TLanes, TFormat>(
        sbyte* x, int stride, int* sums, int sumStride, float* scales, int scaleStride, byte* unit, int units, Fetch fetch, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        int step = TDots.Count * sizeof(int);
        TDots table = TFormat.Table<TDots>();
        sbyte* x1 = x + stride;
        sbyte* x2 = x + 2 * stride;
        sbyte* x3 = x + 3 * stride;
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t01 = TLanes.Zero, t10 = TLanes.Zero, t11 = TLanes.Zero, t20 = TLanes.Zero, t21 = TLanes.Zero, t30 = TLanes.Zero, t31 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                PrefetchUnit<TFormat>(unit, ref fetch);
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]), a01 = a00;
                    TDots a10 = TFormat.Start<TDots>(sums[sumStride]), a11 = a10;
                    TDots a20 = TFormat.Start<TDots>(sums[2 * sumStride]), a21 = a20;
                    TDots a30 = TFormat.Start<TDots>(sums[3 * sumStride]), a31 = a30;
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        TDots w0 = TDots.Load(w), f0 = TFormat.First(w0, table), g0 = TFormat.Second(w0, w, table);
                        TDots w1 = TDots.Load(w + step), f1 = TFormat.First(w1, table), g1 = TFormat.Second(w1, w + step, table);
                        TDots u, v;
                        u = TDots.Broadcast(*(int*)(x + k));
                        v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = TFormat.MultiplyAdd(a00, f0, u, g0, v);
                        a01 = TFormat.MultiplyAdd(a01, f1, u, g1, v);
                        u = TDots.Broadcast(*(int*)(x1 + k));
                        v = TDots.Broadcast(*(int*)(x1 + k + TFormat.SecondColumn));
                        a10 = TFormat.MultiplyAdd(a10, f0, u, g0, v);
                        a11 = TFormat.MultiplyAdd(a11, f1, u, g1, v);
                        u = TDots.Broadcast(*(int*)(x2 + k));
                        v = TDots.Broadcast(*(int*)(x2 + k + TFormat.SecondColumn));
                        a20 = TFormat.MultiplyAdd(a20, f0, u, g0, v);
                        a21 = TFormat.MultiplyAdd(a21, f1, u, g1, v);
                        u = TDots.Broadcast(*(int*)(x3 + k));
                        v = TDots.Broadcast(*(int*)(x3 + k + TFormat.SecondColumn));
                        a30 = TFormat.MultiplyAdd(a30, f0, u, g0, v);
                        a31 = TFormat.MultiplyAdd(a31, f1, u, g1, v);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    TLanes p1 = half == 0 ? TLanes.LoadLowHalves(unit + step) : TLanes.LoadHighHalves(unit + step);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t01 = AddBlock<TDots, TLanes, TFormat>(a01, p1, t01);
                    t10 = AddBlock<TDots, TLanes, TFormat>(a10, p0, t10);
                    t11 = AddBlock<TDots, TLanes, TFormat>(a11, p1, t11);
                    t20 = AddBlock<TDots, TLanes, TFormat>(a20, p0, t20);
                    t21 = AddBlock<TDots, TLanes, TFormat>(a21, p1, t21);
                    t30 = AddBlock<TDots, TLanes, TFormat>(a30, p0, t30);
                    t31 = AddBlock<TDots, TLanes, TFormat>(a31, p1, t31);
                    x += Quantization.BlockColumns;
                    x1 += Quantization.BlockColumns;
                    x2 += Quantization.BlockColumns;
                    x3 += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t01, scales[0], y + TLanes.Count);
            AddScaled(t10, scales[scaleStride], y + PackedMatrix.PanelRows);
            AddScaled(t11, scales[scaleStride], y + PackedMatrix.PanelRows + TLanes.Count);
            AddScaled(t20, scales[2 * scaleStride], y + 2 * PackedMatrix.PanelRows);
            AddScaled(t21, scales[2 * scaleStride], y + 2 * PackedMatrix.PanelRows + TLanes.Count);
            AddScaled(t30, scales[3 * scaleStride], y + 3 * PackedMatrix.PanelRows);
            AddScaled(t31, scales[3 * scaleStride], y + 3 * PackedMatrix.PanelRows + TLanes.Count);
        }
    }

    /// <summary>4 rows, 1 vector of outputs.</summary>
    private static void Tile4<TDots, TLanes, TFormat>(
        sbyte* x, int stride, int* sums, int sumStride, float* scales, int scaleStride, byte* unit, int units, Fetch fetch, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        TDots table = TFormat.Table<TDots>();
        sbyte* x1 = x + stride;
        sbyte* x2 = x + 2 * stride;
        sbyte* x3 = x + 3 * stride;
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t10 = TLanes.Zero, t20 = TLanes.Zero, t30 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                PrefetchUnit<TFormat>(unit, ref fetch);
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]);
                    TDots a10 = TFormat.Start<TDots>(sums[sumStride]);
                    TDots a20 = TFormat.Start<TDots>(sums[2 * sumStride]);
                    TDots a30 = TFormat.Start<TDots>(sums[3 * sumStride]);
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        TDots w0 = TDots.Load(w), f0 = TFormat.First(w0, table), g0 = TFormat.Second(w0, w, table);
                        TDots u, v;
                        u = TDots.Broadcast(*(int*)(x + k));
                        v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = TFormat.MultiplyAdd(a00, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x1 + k));
                        v = TDots.Broadcast(*(int*)(x1 + k + TFormat.SecondColumn));
                        a10 = TFormat.MultiplyAdd(a10, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x2 + k));
                        v = TDots.Broadcast(*(int*)(x2 + k + TFormat.SecondColumn));
                        a20 = TFormat.MultiplyAdd(a20, f0, u, g0, v);
                        u = TDots.Broadcast(*(int*)(x3 + k));
                        v = TDots.Broadcast(*(int*)(x3 + k + TFormat.SecondColumn));
                        a30 = TFormat.MultiplyAdd(a30, f0, u, g0, v);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t10 = AddBlock<TDots, TLanes, TFormat>(a10, p0, t10);
                    t20 = AddBlock<TDots, TLanes, TFormat>(a20, p0, t20);
                    t30 = AddBlock<TDots, TLanes, TFormat>(a30, p0, t30);
                    x += Quantization.BlockColumns;
                    x1 += Quantization.BlockColumns;
                    x2 += Quantization.BlockColumns;
                    x3 += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t10, scales[scaleStride], y + PackedMatrix.PanelRows);
            AddScaled(t20, scales[2 * scaleStride], y + 2 * PackedMatrix.PanelRows);
            AddScaled(t30, scales[3 * scaleStride], y + 3 * PackedMatrix.PanelRows);
        }
    }

    /// <summary>2 rows, 2 vectors of outputs.</summary>
    private static void Tile2<TDots, TLanes, TFormat>(
        sbyte* x, int stride, int* sums, int sumStride, float* scales, int scaleStride, byte* unit, int units, Fetch fetch, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        int step = TDots.Count * sizeof(int);
        TDots table = TFormat.Table<TDots>();
        sbyte* x1 = x + stride;
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t01 = TLanes.Zero, t10 = TLanes.Zero, t11 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                PrefetchUnit<TFormat>(unit, ref fetch);
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]), a01 = a00;
                    TDots a10 = TFormat.Start<TDots>(sums[sumStride]), a11 = a10;
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        TDots w0 = TDots.Load(w), f0 = TFormat.First(w0, table), g0 = TFormat.Second(w0, w, table);
                        TDots w1 = TDots.Load(w + step), f1 = TFormat.First(w1, table), g1 = TFormat.Second(w1, w + step, table);
                        TDots u, v;
                        u = TDots.Broadcast(*(int*)(x + k));
                        v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = TFormat.MultiplyAdd(a00, f0, u, g0, v);
                        a01 = TFormat.MultiplyAdd(a01, f1, u, g1, v);
                        u = TDots.Broadcast(*(int*)(x1 + k));
                        v = TDots.Broadcast(*(int*)(x1 + k + TFormat.SecondColumn));
                        a10 = TFormat.MultiplyAdd(a10, f0, u, g0, v);
                        a11 = TFormat.MultiplyAdd(a11, f1, u, g1, v);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    TLanes p1 = half == 0 ? TLanes.LoadLowHalves(unit + step) : TLanes.LoadHighHalves(unit + step);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t01 = AddBlock<TDots, TLanes, TFormat>(a01, p1, t01);
                    t10 = AddBlock<TDots, TLanes, TFormat>(a10, p0, t10);
                    t11 = AddBlock<TDots, TLanes, TFormat>(a11, p1, t11);
                    x += Quantization.BlockColumns;
                    x1 += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t01, scales[0], y + TLanes.Count);
            AddScaled(t10, scales[scaleStride], y + PackedMatrix.PanelRows);
            AddScaled(t11, scales[scaleStride], y + PackedMatrix.PanelRows + TLanes.Count);
        }
    }

    /// <summary>1 row, 4 vectors of outputs.</summary>
    private static void Row4<TDots, TLanes, TFormat>(sbyte* x, int* sums, float* scales, byte* unit, int units, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        int step = TDots.Count * sizeof(int);
        TDots table = TFormat.Table<TDots>();
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t01 = TLanes.Zero, t02 = TLanes.Zero, t03 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]), a01 = a00, a02 = a00, a03 = a00;
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        PrefetchStep<TFormat>(w);
                        TDots u = TDots.Broadcast(*(int*)(x + k));
                        TDots v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = MultiplyAdd<TDots, TFormat>(a00, w, u, v, table);
                        a01 = MultiplyAdd<TDots, TFormat>(a01, w + step, u, v, table);
                        a02 = MultiplyAdd<TDots, TFormat>(a02, w + 2 * step, u, v, table);
                        a03 = MultiplyAdd<TDots, TFormat>(a03, w + 3 * step, u, v, table);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    TLanes p1 = half == 0 ? TLanes.LoadLowHalves(unit + step) : TLanes.LoadHighHalves(unit + step);
                    TLanes p2 = half == 0 ? TLanes.LoadLowHalves(unit + 2 * step) : TLanes.LoadHighHalves(unit + 2 * step);
                    TLanes p3 = half == 0 ? TLanes.LoadLowHalves(unit + 3 * step) : TLanes.LoadHighHalves(unit + 3 * step);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t01 = AddBlock<TDots, TLanes, TFormat>(a01, p1, t01);
                    t02 = AddBlock<TDots, TLanes, TFormat>(a02, p2, t02);
                    t03 = AddBlock<TDots, TLanes, TFormat>(a03, p3, t03);
                    x += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t01, scales[0], y + TLanes.Count);
            AddScaled(t02, scales[0], y + 2 * TLanes.Count);
            AddScaled(t03, scales[0], y + 3 * TLanes.Count);
        }
    }

    /// <summary>1 row, 2 vectors of outputs.</summary>
    private static void Row2<TDots, TLanes, TFormat>(sbyte* x, int* sums, float* scales, byte* unit, int units, float* y)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat
    {
        int step = TDots.Count * sizeof(int);
        TDots table = TFormat.Table<TDots>();
        for (; units > 0; scales++)
        {
            TLanes t00 = TLanes.Zero, t01 = TLanes.Zero;
            int left = Math.Min(UnitsPerGroup, units);
            for (units -= left; left > 0; left--)
            {
                byte* w = unit + ScaleBytes;
                for (int half = 0; half < 2; half++, sums++)
                {
                    TDots a00 = TFormat.Start<TDots>(sums[0]), a01 = a00;
                    for (int k = 0; k < StepsPerBlock * TFormat.StepColumns; k += TFormat.StepColumns, w += TFormat.StepBytes)
                    {
                        PrefetchStep<TFormat>(w);
                        TDots u = TDots.Broadcast(*(int*)(x + k));
                        TDots v = TDots.Broadcast(*(int*)(x + k + TFormat.SecondColumn));
                        a00 = MultiplyAdd<TDots, TFormat>(a00, w, u, v, table);
                        a01 = MultiplyAdd<TDots, TFormat>(a01, w + step, u, v, table);
                    }

                    TLanes p0 = half == 0 ? TLanes.LoadLowHalves(unit) : TLanes.LoadHighHalves(unit);
                    TLanes p1 = half == 0 ? TLanes.LoadLowHalves(unit + step) : TLanes.LoadHighHalves(unit + step);
                    t00 = AddBlock<TDots, TLanes, TFormat>(a00, p0, t00);
                    t01 = AddBlock<TDots, TLanes, TFormat>(a01, p1, t01);
                    x += Quantization.BlockColumns;
                }

                unit += UnitBytes<TFormat>();
            }

            AddScaled(t00, scales[0], y);
            AddScaled(t01, scales[0], y + TLanes.Count);
        }
    }

    // A row alone uses every weight once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TDots MultiplyAdd<TDots, TFormat>(TDots sum, byte* step, TDots u, TDots v, TDots table)
        where TDots : struct, IDots<TDots>
        where TFormat : struct, IQuantizedFormat
    {
        TDots bytes = TDots.Load(step);
        return TFormat.MultiplyAdd(sum, TFormat.First(bytes, table), u, TFormat.Second(bytes, step, table), v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes AddBlock<TDots, TLanes, TFormat>(TDots sums, TLanes scale, TLanes total)
        where TDots : struct, IDots<TDots>
        where TLanes : struct, ILanes<TLanes>
        where TFormat : struct, IQuantizedFormat =>
        TLanes.FusedMultiplyAdd(TDots.ToSingle<TLanes>(TFormat.Total(sums)), scale, total);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled<TLanes>(TLanes total, float scale, float* y)
        where TLanes : struct, ILanes<TLanes> =>
        TLanes.Store(TLanes.FusedMultiplyAdd(total, TLanes.Broadcast(scale), TLanes.Load(y)), y);
}
