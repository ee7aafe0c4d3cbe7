using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>16 sums in one 512-bit register, AVX-512BW: unsigned times signed bytes in pairs to int16, pairs to int32.</summary>
internal readonly unsafe struct Dots512 : IDots<Dots512>
{
    private readonly Vector512<int> _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Dots512(Vector512<int> value) => _value = value;

    /// <inheritdoc/>
    public static int Count => 16;

    /// <inheritdoc/>
    public static int TileRows => 4;

    /// <inheritdoc/>
    public static int TileVectors => 2;

    /// <inheritdoc/>
    /// <remarks>255 · 127 · 2 does not fit 16 bits, so the sign of the weight goes to x.</remarks>
    public static bool KeepsByteOffset => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 Broadcast(int value) => new(Vector512.Create(value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 Load(byte* source) => new(Vector512.Load((int*)source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 LowNibbles(Dots512 bytes) => new(bytes._value & Vector512.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 HighNibbles(Dots512 bytes) => new((bytes._value >>> 4) & Vector512.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 LookUp(Dots512 nibbles, Dots512 table) => new(Avx512BW.Shuffle(table._value.AsByte(), nibbles._value.AsByte()).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 Table(ReadOnlySpan<byte> levels) => new(Avx512F.BroadcastVector128ToVector512((int*)Unsafe.AsPointer(ref Unsafe.AsRef(in levels[0]))));

    /// <inheritdoc/>
    /// <remarks>Signed.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 Bytes(Dots512 stored) => new(stored._value ^ Vector512.Create(unchecked((int)0x80808080)));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 MultiplyAddBytes(Dots512 sum, Dots512 weights, Dots512 x)
    {
        Vector512<sbyte> w = weights._value.AsSByte(), v = x._value.AsSByte();
        return new(sum._value + SumPairs(Avx512BW.MultiplyAddAdjacent(Avx512BW.Abs(w), Vector512.ConditionalSelect(Vector512.LessThan(w, Vector512<sbyte>.Zero), -v, v))));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 MultiplyAddLevels(Dots512 sum, Dots512 first, Dots512 firstX, Dots512 second, Dots512 secondX)
    {
        // 4 · 63 · 127 fits 16 bits.
        Vector512<short> pairs = Avx512BW.MultiplyAddAdjacent(first._value.AsByte(), firstX._value.AsSByte())
            + Avx512BW.MultiplyAddAdjacent(second._value.AsByte(), secondX._value.AsSByte());
        return new(sum._value + SumPairs(pairs));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 StartNibbles(int offset) => Broadcast((ushort)offset);

    // Sums of 16 bits, two a lane: the offset is in the lower one. Let P and N be the sums of the sizes of its own positive and negative x, so that P + N <= 16 · 127, and H
    // the sum of the upper one's x: it stays below 15 P − 8 (P − N + H) <= 8 (P + N) + 8 · 16 · 127 <= 32512, and likewise above −32512.
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 MultiplyAddNibbles(Dots512 sum, Dots512 weights, Dots512 x) =>
        new((sum._value.AsInt16() + Avx512BW.MultiplyAddAdjacent(weights._value.AsByte(), x._value.AsSByte())).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots512 TotalNibbles(Dots512 sum) => new(SumPairs(sum._value.AsInt16()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(Dots512 sums)
        where TLanes : struct, ILanes<TLanes> => Unsafe.BitCast<Vector512<float>, TLanes>(Vector512.ConvertToSingle(sums._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> SumPairs(Vector512<short> values) => Avx512BW.MultiplyAddAdjacent(values, Vector512.Create((short)1));
}
