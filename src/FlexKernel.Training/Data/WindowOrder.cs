using System.Numerics;
using FlexKernel.Conversion;

namespace FlexKernel.Training.Data;

/// <summary>A shuffle of a set, another one in each epoch, computed from seed and position without state.</summary>
/// <remarks>
/// A Feistel network permutes the numbers of an even number of bits; numbers outside the set are permuted on until one lies inside (cycle
/// walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Its round function is SplitMix64.
/// </remarks>
public sealed class WindowOrder : ISequenceOrder
{
    private const int Rounds = 6;

    // Over fewer bits a network has too few permutations for a fair shuffle.
    private const int LeastHalfBits = 4;

    private readonly int _count;
    private readonly ulong _key;
    private readonly int _halfBits;

    /// <summary>Creates an order.</summary>
    /// <param name="count">The number of sequences; at least 1.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no sequence.</exception>
    public WindowOrder(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _count = count;
        _key = CounterNoise.Mix(seed);
        _halfBits = Math.Max(LeastHalfBits, (33 - BitOperations.LeadingZeroCount((uint)(count - 1))) / 2);
    }

    /// <inheritdoc/>
    /// <remarks>The positions k·n to k·n + n − 1 are epoch k of a set of n: each sequence comes once.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The position is negative.</exception>
    public int At(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        (long epoch, long place) = Math.DivRem(position, _count);
        ulong key = CounterNoise.Mix(_key + (ulong)epoch);
        uint value = (uint)place;
        do
        {
            value = Permute(value, key);
        }
        while (value >= (uint)_count);
        return (int)value;
    }

    private uint Permute(uint value, ulong key)
    {
        uint mask = (1u << _halfBits) - 1, left = value >> _halfBits, right = value & mask;
        for (uint round = 0; round < Rounds; round++)
        {
            (left, right) = (right, left ^ ((uint)CounterNoise.Mix(key ^ ((ulong)round << 32 | right)) & mask));
        }

        return left << _halfBits | right;
    }
}
