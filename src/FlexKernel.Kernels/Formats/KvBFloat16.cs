using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Cache elements of bfloat16.</summary>
internal readonly unsafe struct KvBFloat16 : IKvFormat
{
    /// <inheritdoc/>
    public static int ElementBytes => sizeof(ushort);

    /// <inheritdoc/>
    public static bool IsScaled => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadBFloat16(source);

    /// <inheritdoc/>
    public static float Narrow<TLanes>(float* values, int count, byte* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        BFloat16.FromSingles(new ReadOnlySpan<float>(values, count), new Span<ushort>(destination, count));
        return 1f;
    }
}
