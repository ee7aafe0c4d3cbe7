using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Cache elements of IEEE half precision.</summary>
internal readonly unsafe struct KvFloat16 : IKvFormat
{
    /// <inheritdoc/>
    public static int ElementBytes => sizeof(ushort);

    /// <inheritdoc/>
    public static bool IsScaled => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadFloat16(source);

    /// <inheritdoc/>
    public static float Narrow<TLanes>(float* values, int count, byte* destination)
        where TLanes : struct, ILanes<TLanes>
    {
        TensorPrimitives.ConvertToHalf(new ReadOnlySpan<float>(values, count), new Span<Half>(destination, count));
        return 1f;
    }
}
