using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <summary>4 sums in one 128-bit register, by products of 16 bits that every processor with vectors has.</summary>
internal readonly unsafe struct Dots128 : IDots<Dots128>
{
    private readonly Vector128<int> _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Dots128(Vector128<int> value) => _value = value;

    /// <inheritdoc/>
    public static int Count => 4;

    /// <inheritdoc/>
    public static int TileRows => 2;

    /// <inheritdoc/>
    public static int TileVectors => 2;

    /// <inheritdoc/>
    public static bool KeepsByteOffset => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 Broadcast(int value) => new(Vector128.Create(value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 Load(byte* source) => new(Vector128.Load((int*)source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 LowNibbles(Dots128 bytes) => new(bytes._value & Vector128.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 HighNibbles(Dots128 bytes) => new((bytes._value >>> 4) & Vector128.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 LookUp(Dots128 nibbles, Dots128 table) => new(Vector128.Shuffle(table._value.AsByte(), nibbles._value.AsByte()).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 Table(ReadOnlySpan<byte> levels) => new(Vector128.Create(levels).AsInt32());

    // The bytes of a lane by their place in it: 0 and 2 in the low halves of 16 bits, 1 and 3 in the high ones.
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dots128 MultiplyAddBytes(Dots128 sum, Dots128 weights, Dots128 x)
    {
        Vector128<int> result = sum._value;
        for (int shift = 0; shift < 32; shift += 8)
        {
            result += ((weights._value >>> shift) & Vector128.Create(0xFF)) * ((x._value << (24 - shift)) >> 24);
        }

        return new(result);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(Dots128 sums)
        where TLanes : struct, ILanes<TLanes> => Unsafe.BitCast<Vector128<float>, TLanes>(Vector128.ConvertToSingle(sums._value));
}
