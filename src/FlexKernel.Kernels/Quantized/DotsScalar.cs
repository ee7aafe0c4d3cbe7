using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>One sum, four products after one another.</summary>
internal readonly unsafe struct DotsScalar : IDots<DotsScalar>
{
    private readonly int _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private DotsScalar(int value) => _value = value;

    /// <inheritdoc/>
    public static int Count => 1;

    /// <inheritdoc/>
    public static int TileRows => 2;

    /// <inheritdoc/>
    public static int TileVectors => 2;

    /// <inheritdoc/>
    public static bool KeepsByteOffset => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar Broadcast(int value) => new(value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar Load(byte* source) => new(*(int*)source);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar LowNibbles(DotsScalar bytes) => new(bytes._value & 0x0F0F0F0F);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar HighNibbles(DotsScalar bytes) => new((bytes._value >>> 4) & 0x0F0F0F0F);

    // A scalar has no room for 16 bytes: the one table there is stands beside the format.
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar LookUp(DotsScalar nibbles, DotsScalar table)
    {
        ReadOnlySpan<byte> levels = Quantization.Levels;
        int n = nibbles._value;
        return new(levels[n & 15] | (levels[(n >> 8) & 15] << 8) | (levels[(n >> 16) & 15] << 16) | (levels[(n >> 24) & 15] << 24));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar Table(ReadOnlySpan<byte> levels) => default;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsScalar MultiplyAddBytes(DotsScalar sum, DotsScalar weights, DotsScalar x)
    {
        int w = weights._value, v = x._value;
        return new(sum._value + (byte)w * (sbyte)v + (byte)(w >> 8) * (sbyte)(v >> 8) + (byte)(w >> 16) * (sbyte)(v >> 16) + (byte)(w >> 24) * (sbyte)(v >> 24));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(DotsScalar sums)
        where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(sums._value);
}
