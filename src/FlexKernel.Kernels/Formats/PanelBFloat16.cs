using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>Panels of bfloat16 weights, two successive k in one 32-bit word: widening costs one shift or one mask and no shuffle.</summary>
public readonly unsafe struct PanelBFloat16 : IPanelFormat
{
    /// <inheritdoc/>
    public static int PairBytes => PackedMatrix.PanelRows * sizeof(uint);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes LoadEven<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadLowHalves(source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes LoadOdd<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadHighHalves(source);
}
