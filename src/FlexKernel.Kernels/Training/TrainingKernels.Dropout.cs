using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <content>
/// Dropout: <c>y = m ⊙ x</c>, m being 0 with probability p, else 1/(1 − p). A factor is a function of its row's key and its column alone, so nothing
/// is stored for the backward pass, which is the same operation: <c>dx = m ⊙ dy</c>.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary><c>y[i, j] += m(keys[i], j) x[i, j]</c>.</summary>
    /// <param name="x">[T, n]; for the backward pass the gradient of the result.</param>
    /// <param name="keys">[T], numbers that look random.</param>
    /// <param name="probability">p, from 0 to 1.</param>
    /// <param name="y">[T, n].</param>
    public abstract void AddDropped(Activations x, ulong[] keys, double probability, GradientSum y);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    // Factors of so many columns lie on the stack.
    private const int DropoutColumns = 256;

    public override void AddDropped(Activations x, ulong[] keys, double probability, GradientSum y)
    {
        CheckShape(x, keys.Length, y.Matrix.Columns);
        CheckShape(x, y.Matrix.Rows, y.Matrix.Columns);
        uint limit = (uint)Math.Min(Math.Round(probability * (1L << 32)), uint.MaxValue);
        float kept = probability < 1 ? (float)(1 / (1 - probability)) : 0f;
        ForEachRange(x.Rows, (begin, end) =>
        {
            float* factors = stackalloc float[DropoutColumns];
            for (int row = begin; row < end; row++)
            {
                for (int column = 0; column < x.Stride; column += DropoutColumns)
                {
                    int count = Math.Min(x.Stride - column, DropoutColumns);
                    FillFactors(keys[row], (uint)column, limit, kept, factors, count);
                    AddProduct(x.RowPointer(row) + column, factors, y.Matrix.RowPointer(row) + column, y.HasValue, count);
                }
            }
        });
    }

    private static void AddProduct(float* x, float* factors, float* y, bool add, int count)
    {
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(factors + i), TLanes.Load(x + i), add ? TLanes.Load(y + i) : TLanes.Zero), y + i);
        }
    }

    // A keyed hash of the column (two rounds of xorshift and multiplication); whole numbers are the same on every path, so one width serves all.
    private static void FillFactors(ulong key, uint first, uint limit, float kept, float* factors, int count)
    {
        Vector256<uint> low = Vector256.Create((uint)key), high = Vector256.Create((uint)(key >> 32)), limits = Vector256.Create(limit);
        Vector256<uint> column = Vector256.Create(first) + Vector256<uint>.Indices;
        Vector256<float> factor = Vector256.Create(kept);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<uint> bits = column ^ low;
            bits = (bits ^ (bits >>> 16)) * 0x7FEB352Du;
            bits = (bits ^ high ^ (bits >>> 15)) * 0x846CA68Bu;
            bits ^= bits >>> 16;
            (Vector256.GreaterThanOrEqual(bits, limits).AsSingle() & factor).Store(factors + i);
            column += Vector256.Create((uint)Vector256<uint>.Count);
        }
    }
}
