using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>
/// A vector of int32 sums that takes four byte products per lane and step: the type parameter by which one quantised kernel becomes the
/// AVX-512, VNNI, AVX2, 128 bit and scalar path. Integer sums are exact, so all of them give the same.
/// </summary>
/// <remarks>Where an instruction multiplies the stored bytes of any weight into int32, smaller weights need nothing of their own.</remarks>
/// <typeparam name="TSelf">The implementing vector.</typeparam>
internal unsafe interface IDots<TSelf>
    where TSelf : struct, IDots<TSelf>
{
    /// <summary>Lanes per vector; a lane is one output.</summary>
    static abstract int Count { get; }

    /// <summary>Rows of the largest register tile.</summary>
    static abstract int TileRows { get; }

    /// <summary>Vectors of outputs in a tile of four rows or more: 1 or 2.</summary>
    static abstract int TileVectors { get; }

    /// <summary>Whether <see cref="MultiplyAddBytes"/> multiplies the stored bytes, and the sums must start 128 · Σx below zero.</summary>
    static abstract bool KeepsByteOffset { get; }

    /// <summary>The same sum in every lane.</summary>
    static abstract TSelf Broadcast(int value);

    /// <summary>Reads <see cref="Count"/> groups of four bytes.</summary>
    static abstract TSelf Load(byte* source);

    /// <summary>The low four bits of every byte.</summary>
    static abstract TSelf LowNibbles(TSelf bytes);

    /// <summary>The high four bits of every byte.</summary>
    static abstract TSelf HighNibbles(TSelf bytes);

    /// <summary>Replaces every byte from 0 to 15 by a byte of a table.</summary>
    static abstract TSelf LookUp(TSelf nibbles, TSelf table);

    /// <summary>A table of 16 bytes as <see cref="LookUp"/> takes it.</summary>
    static abstract TSelf Table(ReadOnlySpan<byte> levels);

    /// <summary>Stored bytes as <see cref="MultiplyAddBytes"/> takes them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TSelf Bytes(TSelf stored) => stored;

    /// <summary>Adds Σ w·x over the four bytes of each lane, w = stored byte − 128, x signed, −127 to 127, the same in every lane.</summary>
    static abstract TSelf MultiplyAddBytes(TSelf sum, TSelf weights, TSelf x);

    /// <summary>Adds Σ w·x over the four bytes of each lane of two groups, w from 0 to 63, x signed, −127 to 127.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TSelf MultiplyAddLevels(TSelf sum, TSelf first, TSelf firstX, TSelf second, TSelf secondX) =>
        TSelf.MultiplyAddBytes(TSelf.MultiplyAddBytes(sum, first, firstX), second, secondX);

    /// <summary>What the sums of a block of nibbles begin with: a sum of its own kind until <see cref="TotalNibbles"/>.</summary>
    /// <param name="offset">What the block's totals must contain besides the products: −8 Σx.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TSelf StartNibbles(int offset) => TSelf.Broadcast(offset);

    /// <summary>Adds Σ w·x over the four bytes of each lane, w from 0 to 15, x signed, −127 to 127; for at most 32 bytes a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TSelf MultiplyAddNibbles(TSelf sum, TSelf weights, TSelf x) => TSelf.MultiplyAddBytes(sum, weights, x);

    /// <summary>Turns what <see cref="MultiplyAddNibbles"/> summed into sums of int32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual TSelf TotalNibbles(TSelf sum) => sum;

    /// <summary>Writes the sums as float32, exactly.</summary>
    static abstract TLanes ToSingle<TLanes>(TSelf sums)
        where TLanes : struct, ILanes<TLanes>;
}
