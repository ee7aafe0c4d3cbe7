using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Panels of float32 weights.</summary>
public readonly unsafe struct PanelFloat32 : IPanelFormat
{
    /// <inheritdoc/>
    public static int PairBytes => 2 * PackedMatrix.PanelRows * sizeof(float);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes LoadEven<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Load((float*)source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes LoadOdd<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Load((float*)source + PackedMatrix.PanelRows);
}
