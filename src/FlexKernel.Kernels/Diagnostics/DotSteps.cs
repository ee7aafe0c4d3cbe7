using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>A sequence of instructions that adds products of small integers to sums of 32 bits.</summary>
/// <typeparam name="TVector">A vector of such sums.</typeparam>
internal unsafe interface IDotSteps<TVector>
    where TVector : unmanaged
{
    /// <summary>Products that one step adds.</summary>
    static abstract int Products { get; }

    /// <summary>Adds the products of <paramref name="x"/> and as many weights from memory.</summary>
    static abstract TVector MultiplyAdd(TVector sum, TVector x, byte* weights);
}

/// <summary>One instruction for four byte products a lane; .NET 10 has no 512-bit form of it.</summary>
internal readonly unsafe struct Int8Vnni256 : IDotSteps<Vector256<int>>
{
    public static int Products => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> sum, Vector256<int> x, byte* weights) =>
        AvxVnni.MultiplyWideningAndAdd(sum, Vector256.Load(weights), x.AsSByte());
}

/// <summary>Byte products in pairs to 16 bits, pairs of these to 32 bits, and a sum, in 512 bits.</summary>
internal readonly unsafe struct Int8Pairs512 : IDotSteps<Vector512<int>>
{
    public static int Products => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> sum, Vector512<int> x, byte* weights) =>
        sum + Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Vector512.Load(weights), x.AsSByte()), Vector512.Create((short)1));
}

/// <summary>The same in 256 bits.</summary>
internal readonly unsafe struct Int8Pairs256 : IDotSteps<Vector256<int>>
{
    public static int Products => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> sum, Vector256<int> x, byte* weights) =>
        sum + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Vector256.Load(weights), x.AsSByte()), Vector256.Create((short)1));
}

/// <summary>The same in 128 bits.</summary>
internal readonly unsafe struct Int8Pairs128 : IDotSteps<Vector128<int>>
{
    public static int Products => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> sum, Vector128<int> x, byte* weights) =>
        sum + Sse2.MultiplyAddAdjacent(Ssse3.MultiplyAddAdjacent(Vector128.Load(weights), x.AsSByte()), Vector128.Create((short)1));
}

/// <summary>The bytes of a lane one after the other, for processors other than x86.</summary>
internal readonly unsafe struct Int8Bytes128 : IDotSteps<Vector128<int>>
{
    public static int Products => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> sum, Vector128<int> x, byte* weights)
    {
        Vector128<int> w = Vector128.Load((int*)weights), low = Vector128.Create(0xFF);
        return sum + (w & low) * (x << 24 >> 24) + (w >>> 8 & low) * (x << 16 >> 24) + (w >>> 16 & low) * (x << 8 >> 24) + (w >>> 24) * (x >> 24);
    }
}

/// <summary>Four products of bytes, without vectors.</summary>
internal readonly unsafe struct Int8Scalar : IDotSteps<int>
{
    public static int Products => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MultiplyAdd(int sum, int x, byte* weights) =>
        sum + weights[0] * (sbyte)x + weights[1] * (sbyte)(x >> 8) + weights[2] * (sbyte)(x >> 16) + weights[3] * (sbyte)(x >> 24);
}

/// <summary>Products of 16 bits in pairs to 32 bits, and a sum, in 512 bits.</summary>
internal readonly unsafe struct Int16Pairs512 : IDotSteps<Vector512<int>>
{
    public static int Products => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> sum, Vector512<int> x, byte* weights) =>
        sum + Avx512BW.MultiplyAddAdjacent(Vector512.Load((short*)weights), x.AsInt16());
}

/// <summary>The same in 256 bits.</summary>
internal readonly unsafe struct Int16Pairs256 : IDotSteps<Vector256<int>>
{
    public static int Products => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> sum, Vector256<int> x, byte* weights) =>
        sum + Avx2.MultiplyAddAdjacent(Vector256.Load((short*)weights), x.AsInt16());
}

/// <summary>The same in 128 bits.</summary>
internal readonly unsafe struct Int16Pairs128 : IDotSteps<Vector128<int>>
{
    public static int Products => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> sum, Vector128<int> x, byte* weights) =>
        sum + Sse2.MultiplyAddAdjacent(Vector128.Load((short*)weights), x.AsInt16());
}

/// <summary>The halves of a lane one after the other, for processors other than x86.</summary>
internal readonly unsafe struct Int16Halves128 : IDotSteps<Vector128<int>>
{
    public static int Products => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> sum, Vector128<int> x, byte* weights)
    {
        Vector128<int> w = Vector128.Load((int*)weights);
        return sum + (w << 16 >> 16) * (x << 16 >> 16) + (w >> 16) * (x >> 16);
    }
}

/// <summary>Two products of 16 bits, without vectors.</summary>
internal readonly unsafe struct Int16Scalar : IDotSteps<int>
{
    public static int Products => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MultiplyAdd(int sum, int x, byte* weights) =>
        sum + ((short*)weights)[0] * (short)x + ((short*)weights)[1] * (short)(x >> 16);
}
