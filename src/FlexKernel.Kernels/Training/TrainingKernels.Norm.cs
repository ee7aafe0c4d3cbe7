using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <content>Norms of gradients: sums of squares in double, one leaf per row, the leaves added in order.</content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>Σ x²</c>, in double.</summary>
    public abstract double SumOfSquares(Activations x);

    /// <summary><c>x ← factor x</c>.</summary>
    public abstract void MultiplyBy(Activations x, float factor);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override double SumOfSquares(Activations x)
    {
        double[] leaves = new double[x.Rows];
        ForEachRange(x.Rows, (begin, end) =>
        {
            for (int row = begin; row < end; row++)
            {
                leaves[row] = SumOfSquares(x.RowPointer(row), x.Columns);
            }
        });

        double sum = 0;
        foreach (double leaf in leaves)
        {
            sum += leaf;
        }

        return sum;
    }

    public override void MultiplyBy(Activations x, float factor) => ForEachRange(x.Rows, (begin, end) =>
    {
        TLanes scale = TLanes.Broadcast(factor);
        for (int row = begin; row < end; row++)
        {
            float* values = x.RowPointer(row);
            for (int i = 0; i < x.Stride; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(values + i) * scale, values + i);
            }
        }
    });

    // Four vectors of doubles on every path: element i belongs to lane i mod 16.
    private static double SumOfSquares(float* x, int count)
    {
        Vector256<double> a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            (Vector256<double> first, Vector256<double> second) = Vector256.Widen(Vector256.Load(x + i));
            (Vector256<double> third, Vector256<double> fourth) = Vector256.Widen(Vector256.Load(x + i + 8));
            a += first * first;
            b += second * second;
            c += third * third;
            d += fourth * fourth;
        }

        double sum = Sum((a + c) + (b + d));
        for (; i < count; i++)
        {
            sum += (double)x[i] * x[i];
        }

        return sum;

        static double Sum(Vector256<double> x) => (x[0] + x[2]) + (x[1] + x[3]);
    }
}
