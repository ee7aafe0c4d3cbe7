using System.Numerics;

namespace FlexKernel.Text.Bpe;

/// <summary>Maps a pair of adjacent tokens to the rank and the result of their merge.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;

    private readonly Slot[] _slots;
    private readonly int _shift;

    // Odd and random: a file cannot be made so that its pairs crowd into few slots.
    private readonly ulong _multiplier = (ulong)Random.Shared.NextInt64() << 1 | 1;

    /// <summary>Creates an empty table.</summary>
    /// <param name="capacity">How many merges it must hold.</param>
    public MergeTable(int capacity)
    {
        // At most two thirds full: a search of an absent pair, the common case, ends after a slot or two.
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)capacity + ((uint)capacity / 2) + 2);
        _slots = new Slot[size];
        Array.Fill(_slots, new Slot(Empty, 0, 0));
        _shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>Adds a merge.</summary>
    /// <returns>False when the pair is already there.</returns>
    public bool TryAdd(int left, int right, int rank, int result)
    {
        ulong pair = Pair(left, right);
        int index = Start(pair);
        for (; _slots[index].Pair != Empty; index = (index + 1) & (_slots.Length - 1))
        {
            if (_slots[index].Pair == pair)
            {
                return false;
            }
        }

        _slots[index] = new Slot(pair, rank, result);
        return true;
    }

    /// <summary>Finds the merge of a pair.</summary>
    /// <returns>False when the pair does not merge.</returns>
    public bool TryGet(int left, int right, out int rank, out int result)
    {
        ulong pair = Pair(left, right);
        Slot[] slots = _slots;
        for (int index = Start(pair); ; index = (index + 1) & (slots.Length - 1))
        {
            Slot slot = slots[index];
            if (slot.Pair == pair)
            {
                rank = slot.Rank;
                result = slot.Result;
                return true;
            }

            if (slot.Pair == Empty)
            {
                rank = result = 0;
                return false;
            }
        }
    }

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Start(ulong pair) => (int)((pair * _multiplier) >> _shift);

    private readonly record struct Slot(ulong Pair, int Rank, int Result);
}
