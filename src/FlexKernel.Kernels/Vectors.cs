using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <summary>Element-wise functions and reductions over rows, the same bits on every path.</summary>
/// <remarks>
/// Reductions run over 16 virtual lanes (element i belongs to lane i mod 16) and end in one fixed tree; element-wise tails use the
/// one-lane form of the same operations.
/// </remarks>
internal static unsafe class Vectors
{
    private const int VirtualLanes = 16;

    /// <summary>
    /// <c>e^x</c>: <c>x = n ln 2 + r</c>, Taylor series of <c>e^r</c> to r^7, times 2^n. Relative error below 8e-8 for x in [-87.3, 88.7];
    /// arguments outside are clamped to that range; NaN stays NaN.
    /// </summary>
    /// <remarks>|r| &lt;= ln 2 / 2 makes the truncation r^8/8! at most 5.2e-9; the rest is rounding of the Horner steps; 8e-8 was found by trying every x.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Exp<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        // In this order NaN passes.
        x = TLanes.MinNumber(TLanes.Broadcast(88.7f), TLanes.MaxNumber(TLanes.Broadcast(-87.3f), x));

        // Adding 1.5 * 2^23 rounds to an integer n and leaves n in the low bits of the sum.
        TLanes shifter = TLanes.Broadcast(12582912f);
        TLanes power = TLanes.FusedMultiplyAdd(x, TLanes.Broadcast(1.44269504f), shifter);
        TLanes n = power - shifter;
        TLanes r = TLanes.FusedMultiplyAdd(n, TLanes.Broadcast(-0.693145752f), x);
        r = TLanes.FusedMultiplyAdd(n, TLanes.Broadcast(-1.42860677e-6f), r);

        TLanes p = TLanes.Broadcast(1f / 5040);
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 720));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 120));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 24));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 6));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(0.5f));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f));

        // The exponent arithmetic can turn the bits of a NaN into a number; x - x is zero for every number.
        return TLanes.ScaleByPower(p, power) + (x - x);
    }

    /// <summary><c>z / (1 + e^-z)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Silu<TLanes>(TLanes z)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes one = TLanes.Broadcast(1f);
        return z / (one + Exp(TLanes.Zero - z));
    }

    /// <summary>Sum of squares of <paramref name="count"/> values.</summary>
    public static float SumOfSquares<TLanes>(float* x, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        float* lanes = stackalloc float[VirtualLanes];
        float* tail = stackalloc float[VirtualLanes];
        CopyTail(x, count, tail);
        int whole = count / VirtualLanes * VirtualLanes;
        for (int lane = 0; lane < VirtualLanes; lane += TLanes.Count)
        {
            TLanes sum = TLanes.Zero;
            for (int i = lane; i < whole; i += VirtualLanes)
            {
                TLanes v = TLanes.Load(x + i);
                sum = TLanes.FusedMultiplyAdd(v, v, sum);
            }

            TLanes last = TLanes.Load(tail + lane);
            TLanes.Store(TLanes.FusedMultiplyAdd(last, last, sum), lanes + lane);
        }

        return Tree(lanes);
    }

    /// <summary>Sum of products of <paramref name="count"/> values.</summary>
    public static float Dot<TLanes>(float* x, float* y, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        float* lanes = stackalloc float[VirtualLanes];
        int whole = count / VirtualLanes * VirtualLanes;
        for (int lane = 0; lane < VirtualLanes; lane += TLanes.Count)
        {
            TLanes sum = TLanes.Zero;
            for (int i = lane; i < whole; i += VirtualLanes)
            {
                sum = TLanes.FusedMultiplyAdd(TLanes.Load(x + i), TLanes.Load(y + i), sum);
            }

            TLanes.Store(sum, lanes + lane);
        }

        for (int i = whole; i < count; i++)
        {
            lanes[i - whole] = MathF.FusedMultiplyAdd(x[i], y[i], lanes[i - whole]);
        }

        return Tree(lanes);
    }

    /// <summary>Replaces values by <c>e^(x - shift)</c> and returns their sum.</summary>
    public static float ExpAndSum<TLanes>(float* x, int count, float shift)
        where TLanes : struct, ILanes<TLanes>
    {
        float* lanes = stackalloc float[VirtualLanes];
        int whole = count / VirtualLanes * VirtualLanes;
        TLanes offset = TLanes.Broadcast(shift);
        for (int lane = 0; lane < VirtualLanes; lane += TLanes.Count)
        {
            TLanes sum = TLanes.Zero;
            for (int i = lane; i < whole; i += VirtualLanes)
            {
                TLanes e = Exp(TLanes.Load(x + i) - offset);
                TLanes.Store(e, x + i);
                sum += e;
            }

            TLanes.Store(sum, lanes + lane);
        }

        for (int i = whole; i < count; i++)
        {
            LanesScalar e = Exp(LanesScalar.Load(x + i) - LanesScalar.Broadcast(shift));
            LanesScalar.Store(e, x + i);
            lanes[i - whole] += x[i];
        }

        return Tree(lanes);
    }

    /// <summary>The largest of at least one value.</summary>
    public static float Max<TLanes>(float* x, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes largest = TLanes.Broadcast(x[0]);
        int i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            largest = TLanes.Max(largest, TLanes.Load(x + i));
        }

        float max = Largest(largest);
        for (; i < count; i++)
        {
            max = MathF.Max(max, x[i]);
        }

        return max;
    }

    /// <summary>Multiplies values by a factor and returns the largest of them; at least one, and none NaN, or any of them.</summary>
    public static float ScaleAndMax<TLanes>(float* x, int count, float factor)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes scale = TLanes.Broadcast(factor), largest = TLanes.Broadcast(float.NegativeInfinity), other = largest;
        int i = 0;
        for (; i + 2 * TLanes.Count <= count; i += 2 * TLanes.Count)
        {
            TLanes a = TLanes.Load(x + i) * scale, b = TLanes.Load(x + i + TLanes.Count) * scale;
            TLanes.Store(a, x + i);
            TLanes.Store(b, x + i + TLanes.Count);
            largest = TLanes.MaxNumber(largest, a);
            other = TLanes.MaxNumber(other, b);
        }

        float max = Largest(TLanes.MaxNumber(largest, other));
        for (; i < count; i++)
        {
            x[i] *= factor;
            max = float.MaxNative(max, x[i]);
        }

        return max;
    }

    /// <summary>The largest magnitude; zero of no value.</summary>
    public static float MaxMagnitude<TLanes>(float* x, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes largest = TLanes.Zero;
        int i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            TLanes v = TLanes.Load(x + i);
            largest = TLanes.Max(largest, TLanes.Max(v, TLanes.Zero - v));
        }

        float max = Largest(largest);
        for (; i < count; i++)
        {
            max = MathF.Max(max, MathF.Abs(x[i]));
        }

        return max;
    }

    /// <summary>x = x ⊙ factors.</summary>
    public static void Multiply<TLanes>(float* x, float* factors, int count)
        where TLanes : struct, ILanes<TLanes>
    {
        int i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(x + i) * TLanes.Load(factors + i), x + i);
        }

        for (; i < count; i++)
        {
            x[i] *= factors[i];
        }
    }

    private static float Largest<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        float* lanes = stackalloc float[VirtualLanes];
        for (int lane = 0; lane < VirtualLanes; lane += TLanes.Count)
        {
            TLanes.Store(x, lanes + lane);
        }

        Vector128<float> four = Vector128.Max(
            Vector128.Max(Vector128.Load(lanes), Vector128.Load(lanes + 8)), Vector128.Max(Vector128.Load(lanes + 4), Vector128.Load(lanes + 12)));
        four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3)));
        return Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(1, 1, 1, 1))).ToScalar();
    }

    /// <summary>The fixed tree: lane i takes lane i + 8, then i + 4, i + 2, i + 1.</summary>
    private static float Tree(float* lanes)
    {
        Vector128<float> four = (Vector128.Load(lanes) + Vector128.Load(lanes + 8)) + (Vector128.Load(lanes + 4) + Vector128.Load(lanes + 12));
        four += Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3));
        return (four + Vector128.Shuffle(four, Vector128.Create(1, 1, 1, 1))).ToScalar();
    }

    private static void CopyTail(float* x, int count, float* destination)
    {
        int whole = count / VirtualLanes * VirtualLanes;
        for (int i = 0; i < VirtualLanes; i++)
        {
            destination[i] = whole + i < count ? x[whole + i] : 0f;
        }
    }
}
