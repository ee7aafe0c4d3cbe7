using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>8 sums in one 256-bit register, AVX2: unsigned times signed bytes in pairs to int16, pairs to int32.</summary>
internal readonly unsafe struct Dots256 : IDots<Dots256>
{
    private readonly Vector256<int> _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Dots256(Vector256<int> value) => _value = value;

    /// <inheritdoc/>
    public static int Count => 8;

    /// <inheritdoc/>
    public static int TileRows => 6;

    /// <inheritdoc/>
    /// <remarks>16 registers: 6 integer sums, the weights of two groups and their magnitudes, constants and the steps between. The float sums wait in memory for a block's end.</remarks>
    public static int TileVectors => 1;

    /// <inheritdoc/>
    /// <remarks>255 · 127 · 2 does not fit 16 bits, so the sign of the weight goes to x.</remarks>
    public static bool KeepsByteOffset => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 Broadcast(int value) => new(Vector256.Create(value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 Load(byte* source) => new(Vector256.Load((int*)source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 LowNibbles(Dots256 bytes) => new(bytes._value & Vector256.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 HighNibbles(Dots256 bytes) => new((bytes._value >>> 4) & Vector256.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 LookUp(Dots256 nibbles, Dots256 table) => new(Avx2.Shuffle(table._value.AsByte(), nibbles._value.AsByte()).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 Table(ReadOnlySpan<byte> levels)
    {
        Vector128<byte> table = Vector128.Create(levels);
        return new(Vector256.Create(table, table).AsInt32());
    }

    /// <inheritdoc/>
    /// <remarks>Signed.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 Bytes(Dots256 stored) => new(stored._value ^ Vector256.Create(unchecked((int)0x80808080)));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 MultiplyAddBytes(Dots256 sum, Dots256 weights, Dots256 x)
    {
        Vector256<sbyte> w = weights._value.AsSByte();
        return new(sum._value + SumPairs(Avx2.MultiplyAddAdjacent(Avx2.Abs(w), Avx2.Sign(x._value.AsSByte(), w))));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 MultiplyAddLevels(Dots256 sum, Dots256 first, Dots256 firstX, Dots256 second, Dots256 secondX)
    {
        // 4 · 63 · 127 fits 16 bits.
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(first._value.AsByte(), firstX._value.AsSByte())
            + Avx2.MultiplyAddAdjacent(second._value.AsByte(), secondX._value.AsSByte());
        return new(sum._value + SumPairs(pairs));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 StartNibbles(int offset) => Broadcast((ushort)offset);

    // Sums of 16 bits, two a lane: the offset is in the lower one. Let P and N be the sums of the sizes of its own positive and negative x, so that P + N <= 16 · 127, and H
    // the sum of the upper one's x: it stays below 15 P − 8 (P − N + H) <= 8 (P + N) + 8 · 16 · 127 <= 32512, and likewise above −32512.
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 MultiplyAddNibbles(Dots256 sum, Dots256 weights, Dots256 x) =>
        new((sum._value.AsInt16() + Avx2.MultiplyAddAdjacent(weights._value.AsByte(), x._value.AsSByte())).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots256 TotalNibbles(Dots256 sum) => new(SumPairs(sum._value.AsInt16()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(Dots256 sums)
        where TLanes : struct, ILanes<TLanes> => Unsafe.BitCast<Vector256<float>, TLanes>(Vector256.ConvertToSingle(sums._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> SumPairs(Vector256<short> values) => Avx2.MultiplyAddAdjacent(values, Vector256.Create((short)1));
}
