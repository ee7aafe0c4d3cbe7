using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>
/// 16 sums in two 256-bit registers, one instruction for four byte products of eight of them (AVX-VNNI; .NET 10 has no 512-bit form), that
/// become one 512-bit vector of floats.
/// </summary>
internal readonly unsafe struct DotsVnni512 : IDots<DotsVnni512>
{
    private readonly Vector256<int> _low;
    private readonly Vector256<int> _high;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private DotsVnni512(Vector256<int> low, Vector256<int> high)
    {
        _low = low;
        _high = high;
    }

    /// <inheritdoc/>
    public static int Count => 16;

    /// <inheritdoc/>
    public static int TileRows => 6;

    /// <inheritdoc/>
    public static int TileVectors => 1;

    /// <inheritdoc/>
    public static bool KeepsByteOffset => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 Broadcast(int value)
    {
        Vector256<int> half = Vector256.Create(value);
        return new(half, half);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 Load(byte* source) => new(Vector256.Load((int*)source), Vector256.Load((int*)source + 8));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 LowNibbles(DotsVnni512 bytes)
    {
        Vector256<int> mask = Vector256.Create(0x0F0F0F0F);
        return new(bytes._low & mask, bytes._high & mask);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 HighNibbles(DotsVnni512 bytes) => LowNibbles(new(bytes._low >>> 4, bytes._high >>> 4));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 LookUp(DotsVnni512 nibbles, DotsVnni512 table) => new(
        Avx2.Shuffle(table._low.AsByte(), nibbles._low.AsByte()).AsInt32(), Avx2.Shuffle(table._low.AsByte(), nibbles._high.AsByte()).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 Table(ReadOnlySpan<byte> levels)
    {
        Vector128<byte> table = Vector128.Create(levels);
        Vector256<int> half = Vector256.Create(table, table).AsInt32();
        return new(half, half);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni512 MultiplyAddBytes(DotsVnni512 sum, DotsVnni512 weights, DotsVnni512 x) => new(
        AvxVnni.MultiplyWideningAndAdd(sum._low, weights._low.AsByte(), x._low.AsSByte()),
        AvxVnni.MultiplyWideningAndAdd(sum._high, weights._high.AsByte(), x._low.AsSByte()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(DotsVnni512 sums)
        where TLanes : struct, ILanes<TLanes> =>
        Unsafe.BitCast<Vector512<float>, TLanes>(Vector512.ConvertToSingle(Avx512F.InsertVector256(sums._low.ToVector512Unsafe(), sums._high, 1)));
}
