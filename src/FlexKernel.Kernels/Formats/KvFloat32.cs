using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Cache elements of float32.</summary>
internal readonly unsafe struct KvFloat32 : IKvFormat
{
    /// <inheritdoc/>
    public static int ElementBytes => sizeof(float);

    /// <inheritdoc/>
    public static bool IsScaled => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Load((float*)source);

    /// <inheritdoc/>
    public static float Narrow<TLanes>(float* values, int count, byte* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        new ReadOnlySpan<float>(values, count).CopyTo(new Span<float>(destination, count));
        return 1f;
    }
}
