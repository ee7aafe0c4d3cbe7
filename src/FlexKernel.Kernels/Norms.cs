namespace FlexKernel.Kernels;

/// <summary>Root-mean-square normalisation of one row: <c>y = gain ⊙ (x / sqrt(mean(x²) + epsilon))</c>, all in float32.</summary>
internal static unsafe class Norms
{
    /// <summary>Normalises; source and destination may be the same memory.</summary>
    /// <remarks>Runs over the padding too: rows and gains are padded with zeros, so it stays zero.</remarks>
    public static void RmsNorm<TLanes>(float* x, float* gain, int count, float epsilon, float* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes scale = Scale<TLanes>(x, count, epsilon);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(x + i) * scale * TLanes.Load(gain + i), destination + i);
        }
    }

    /// <summary>Adds the normalised row to <paramref name="residual"/>.</summary>
    public static void AddRmsNorm<TLanes>(float* x, float* gain, int count, float epsilon, float* residual)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes scale = Scale<TLanes>(x, count, epsilon);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes normed = TLanes.Load(x + i) * scale * TLanes.Load(gain + i);
            TLanes.Store(TLanes.Load(residual + i) + normed, residual + i);
        }
    }

    private static TLanes Scale<TLanes>(float* x, int count, float epsilon)
        where TLanes : struct, ILanes<TLanes> =>
        TLanes.Broadcast(1f / MathF.Sqrt(Vectors.SumOfSquares<TLanes>(x, count) / count + epsilon));
}
