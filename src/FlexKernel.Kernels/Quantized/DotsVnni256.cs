using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>8 sums in one 256-bit register, one instruction for four byte products (AVX-VNNI; .NET 10 has no 512-bit form).</summary>
internal readonly unsafe struct DotsVnni256 : IDots<DotsVnni256>
{
    private readonly Vector256<int> _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private DotsVnni256(Vector256<int> value) => _value = value;

    /// <inheritdoc/>
    public static int Count => 8;

    /// <inheritdoc/>
    /// <remarks>32 registers where AVX-512 is there too: 8 integer and 8 float sums, 2 weights, 4 rows.</remarks>
    public static int TileRows => Avx512F.VL.IsSupported ? 4 : 2;

    /// <inheritdoc/>
    public static int TileVectors => 2;

    /// <inheritdoc/>
    public static bool KeepsByteOffset => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 Broadcast(int value) => new(Vector256.Create(value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 Load(byte* source) => new(Vector256.Load((int*)source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 LowNibbles(DotsVnni256 bytes) => new(bytes._value & Vector256.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 HighNibbles(DotsVnni256 bytes) => new((bytes._value >>> 4) & Vector256.Create(0x0F0F0F0F));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 LookUp(DotsVnni256 nibbles, DotsVnni256 table) =>
        new(Avx2.Shuffle(table._value.AsByte(), nibbles._value.AsByte()).AsInt32());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 Table(ReadOnlySpan<byte> levels)
    {
        Vector128<byte> table = Vector128.Create(levels);
        return new(Vector256.Create(table, table).AsInt32());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DotsVnni256 MultiplyAddBytes(DotsVnni256 sum, DotsVnni256 weights, DotsVnni256 x) =>
        new(AvxVnni.MultiplyWideningAndAdd(sum._value, weights._value.AsByte(), x._value.AsSByte()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes ToSingle<TLanes>(DotsVnni256 sums)
        where TLanes : struct, ILanes<TLanes> => Unsafe.BitCast<Vector256<float>, TLanes>(Vector256.ConvertToSingle(sums._value));
}
