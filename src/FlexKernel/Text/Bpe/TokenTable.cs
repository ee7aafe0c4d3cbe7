using System.Buffers;
using System.Numerics;

namespace FlexKernel.Text.Bpe;

/// <summary>The bytes of every token, one after the other, and the way back from bytes to the id.</summary>
internal sealed class TokenTable
{
    private const int Vacant = -1;

    private readonly byte[] _bytes;
    private readonly int[] _offsets;
    private readonly bool[] _special;
    private readonly int[] _slots;

    private TokenTable(byte[] bytes, int[] offsets, bool[] special, int[] slots, int longest) =>
        (_bytes, _offsets, _special, _slots, LongestToken) = (bytes, offsets, special, slots, longest);

    /// <summary>The number of ids.</summary>
    public int Count => _special.Length;

    /// <summary>The number of bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>The bytes of a token.</summary>
    public ReadOnlySpan<byte> this[int id] => _bytes.AsSpan(_offsets[id].._offsets[id + 1]);

    /// <summary>True for a control token.</summary>
    public bool IsSpecial(int id) => _special[id];

    /// <summary>Finds the token that merging can produce for the bytes.</summary>
    public bool TryGetId(ReadOnlySpan<byte> bytes, out int id)
    {
        for (int slot = Hash(bytes) & (_slots.Length - 1); (id = _slots[slot]) != Vacant; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (this[id].SequenceEqual(bytes))
            {
                return true;
            }
        }

        return false;
    }

    private static int Hash(ReadOnlySpan<byte> bytes)
    {
        HashCode hash = default;
        hash.AddBytes(bytes);
        return hash.ToHashCode();
    }

    /// <summary>Collects the tokens in the order of their ids.</summary>
    /// <param name="count">The number of ids.</param>
    public sealed class Builder(int count)
    {
        private readonly ArrayBufferWriter<byte> _bytes = new(Math.Max(count * 8, 1));
        private readonly int[] _offsets = new int[count + 1];
        private readonly bool[] _special = new bool[count];
        private readonly bool[] _found = new bool[count];
        private int _id;
        private int _longest;

        /// <summary>Adds the token of the next id.</summary>
        /// <param name="bytes">Its bytes.</param>
        /// <param name="special">True for a control token.</param>
        /// <param name="found">True when <see cref="TryGetId"/> finds it.</param>
        public void Add(ReadOnlySpan<byte> bytes, bool special, bool found)
        {
            _bytes.Write(bytes);
            _special[_id] = special;
            _found[_id] = found;
            _offsets[++_id] = _bytes.WrittenCount;
            _longest = Math.Max(_longest, bytes.Length);
        }

        /// <summary>Makes the table.</summary>
        public TokenTable Build()
        {
            int[] slots = new int[BitOperations.RoundUpToPowerOf2((uint)count * 2)];
            Array.Fill(slots, Vacant);
            TokenTable table = new(_bytes.WrittenSpan.ToArray(), _offsets, _special, slots, _longest);
            for (int id = 0; id < count; id++)
            {
                if (_found[id] && !table.TryGetId(table[id], out _))
                {
                    int slot = Hash(table[id]) & (slots.Length - 1);
                    while (slots[slot] != Vacant)
                    {
                        slot = (slot + 1) & (slots.Length - 1);
                    }

                    slots[slot] = id;
                }
            }

            return table;
        }
    }
}
