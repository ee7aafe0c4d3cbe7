using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Cache elements of 8-bit levels: <c>level = round(value · 127 / largest)</c>, <c>scale = largest / 127</c>.</summary>
internal readonly unsafe struct KvInt8 : IKvFormat
{
    private const float Levels = 127f;

    // Below it the reciprocal would overflow: such a row becomes zero.
    private const float Smallest = 1e-36f;

    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum.
    private const float Shifter = 12582912f;

    /// <inheritdoc/>
    public static int ElementBytes => sizeof(sbyte);

    /// <inheritdoc/>
    public static bool IsScaled => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadInt8(source);

    /// <inheritdoc/>
    public static float Narrow<TLanes>(float* values, int count, byte* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        // NaN passes this test and becomes the scale, so that it reaches the result.
        float largest = Vectors.MaxMagnitude<TLanes>(values, count);
        bool vanishes = largest < Smallest;
        float reciprocal = vanishes ? 0f : Levels / largest;
        int i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            Round<TLanes>(values + i, reciprocal, destination + i);
        }

        for (; i < count; i++)
        {
            Round<LanesScalar>(values + i, reciprocal, destination + i);
        }

        return vanishes ? 0f : largest / Levels;
    }

    private static void Round<TLanes>(float* values, float reciprocal, byte* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        float* shifted = stackalloc float[16];
        TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(values), TLanes.Broadcast(reciprocal), TLanes.Broadcast(Shifter)), shifted);
        for (int i = 0; i < TLanes.Count; i++)
        {
            destination[i] = *(byte*)(shifted + i);
        }
    }
}
