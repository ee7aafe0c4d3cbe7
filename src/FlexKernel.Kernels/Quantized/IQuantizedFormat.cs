using System.Runtime.CompilerServices;

namespace FlexKernel.Kernels;

/// <summary>How the 32 x 32 weights of a block lie in its bytes, and how they are multiplied.</summary>
/// <remarks>
/// <code>
/// unit of 64 k of one panel (32 outputs):
///   scales    word j: bfloat16 of block 0 (low half) and of block 1 (high half) of output j      128 bytes
///   block 0   8 bit:  [8 groups of 4 k][32 outputs][4 bytes]                                    1024 bytes
///             4 bit:  [4 groups][32 outputs][4 bytes], low nibble k = 4g + i, high 16 + 4g + i     512 bytes
///   block 1
/// </code>
/// Every piece is a multiple of 64 bytes, and a panel is one stream.
/// </remarks>
internal unsafe interface IQuantizedFormat
{
    /// <summary>Bytes of one block.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>Bytes of two groups of four k: a step of a kernel, of which a block has four.</summary>
    static abstract int StepBytes { get; }

    /// <summary>From the first k of one step to that of the next.</summary>
    static abstract int StepColumns { get; }

    /// <summary>From the k of the first group of a step to those of the second.</summary>
    static abstract int SecondColumn { get; }

    /// <summary>What a block's sums start at.</summary>
    /// <param name="sum">Σx of the block.</param>
    static abstract TDots Start<TDots>(int sum)
        where TDots : struct, IDots<TDots>;

    /// <summary>What <see cref="First"/> and <see cref="Second"/> look weights up in, read once for a tile.</summary>
    static abstract TDots Table<TDots>()
        where TDots : struct, IDots<TDots>;

    /// <summary>The weights of the first group of a step.</summary>
    /// <param name="bytes">What stands where the step begins.</param>
    /// <param name="table">What <see cref="Table"/> gave.</param>
    static abstract TDots First<TDots>(TDots bytes, TDots table)
        where TDots : struct, IDots<TDots>;

    /// <summary>The weights of the second group of a step.</summary>
    /// <param name="bytes">What stands where the step begins.</param>
    /// <param name="step">Where that is.</param>
    /// <param name="table">What <see cref="Table"/> gave.</param>
    static abstract TDots Second<TDots>(TDots bytes, byte* step, TDots table)
        where TDots : struct, IDots<TDots>;

    /// <summary>Adds the products of the two groups of a step.</summary>
    static abstract TDots MultiplyAdd<TDots>(TDots sum, TDots first, TDots firstX, TDots second, TDots secondX)
        where TDots : struct, IDots<TDots>;

    /// <summary>A block's sums as int32.</summary>
    /// <param name="sums">What <see cref="MultiplyAdd"/> left.</param>
    static abstract TDots Total<TDots>(TDots sums)
        where TDots : struct, IDots<TDots>;
}

/// <summary>Bytes: level + 128, from −127 to 127.</summary>
internal readonly unsafe struct Bytes8 : IQuantizedFormat
{
    public static int BlockBytes => 1024;

    /// <summary>How far below zero the level of a stored zero is.</summary>
    public const int Offset = 128;

    public static int StepBytes => 2 * QuantizedProducts.GroupBytes;

    public static int StepColumns => 8;

    public static int SecondColumn => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Start<TDots>(int sum)
        where TDots : struct, IDots<TDots> => TDots.Broadcast(TDots.KeepsByteOffset ? -Offset * sum : 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Table<TDots>()
        where TDots : struct, IDots<TDots> => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots First<TDots>(TDots bytes, TDots table)
        where TDots : struct, IDots<TDots> => TDots.Bytes(bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Second<TDots>(TDots bytes, byte* step, TDots table)
        where TDots : struct, IDots<TDots> => TDots.Bytes(TDots.Load(step + QuantizedProducts.GroupBytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots MultiplyAdd<TDots>(TDots sum, TDots first, TDots firstX, TDots second, TDots secondX)
        where TDots : struct, IDots<TDots> =>
        TDots.MultiplyAddBytes(TDots.MultiplyAddBytes(sum, first, firstX), second, secondX);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Total<TDots>(TDots sums)
        where TDots : struct, IDots<TDots> => sums;
}

/// <summary>Nibbles: level + 8, from −8 to 7.</summary>
internal readonly unsafe struct Nibbles4 : IQuantizedFormat
{
    public static int BlockBytes => 512;

    /// <summary>How far below zero the level of a stored zero is.</summary>
    public const int Offset = 8;

    public static int StepBytes => QuantizedProducts.GroupBytes;

    public static int StepColumns => 4;

    public static int SecondColumn => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Start<TDots>(int sum)
        where TDots : struct, IDots<TDots> => TDots.StartNibbles(-Offset * sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Table<TDots>()
        where TDots : struct, IDots<TDots> => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots First<TDots>(TDots bytes, TDots table)
        where TDots : struct, IDots<TDots> => TDots.LowNibbles(bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Second<TDots>(TDots bytes, byte* step, TDots table)
        where TDots : struct, IDots<TDots> => TDots.HighNibbles(bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots MultiplyAdd<TDots>(TDots sum, TDots first, TDots firstX, TDots second, TDots secondX)
        where TDots : struct, IDots<TDots> =>
        TDots.MultiplyAddNibbles(TDots.MultiplyAddNibbles(sum, first, firstX), second, secondX);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Total<TDots>(TDots sums)
        where TDots : struct, IDots<TDots> => TDots.TotalNibbles(sums);
}

/// <summary>Nibbles that number the 16 levels of <see cref="Quantization.Levels"/>.</summary>
internal readonly unsafe struct Codebook4 : IQuantizedFormat
{
    public static int BlockBytes => 512;

    /// <summary>How far below zero the level of a stored zero is.</summary>
    public const int Offset = Quantization.LevelOffset;

    public static int StepBytes => QuantizedProducts.GroupBytes;

    public static int StepColumns => 4;

    public static int SecondColumn => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Start<TDots>(int sum)
        where TDots : struct, IDots<TDots> => TDots.Broadcast(-Offset * sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Table<TDots>()
        where TDots : struct, IDots<TDots> => TDots.Table(Quantization.Levels);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots First<TDots>(TDots bytes, TDots table)
        where TDots : struct, IDots<TDots> => TDots.LookUp(TDots.LowNibbles(bytes), table);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Second<TDots>(TDots bytes, byte* step, TDots table)
        where TDots : struct, IDots<TDots> => TDots.LookUp(TDots.HighNibbles(bytes), table);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots MultiplyAdd<TDots>(TDots sum, TDots first, TDots firstX, TDots second, TDots secondX)
        where TDots : struct, IDots<TDots> =>
        TDots.MultiplyAddLevels(sum, first, firstX, second, secondX);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TDots Total<TDots>(TDots sums)
        where TDots : struct, IDots<TDots> => sums;
}
