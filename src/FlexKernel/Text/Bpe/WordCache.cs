using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace FlexKernel.Text.Bpe;

/// <summary>
/// Remembers the ids of recent words in a fixed number of places. Threads share it without locks: an entry never changes.
/// </summary>
internal sealed class WordCache
{
    /// <summary>The longest word that is remembered, in UTF-16 units; longer ones rarely come twice.</summary>
    public const int LongestWord = 64;

    private readonly Entry?[] _entries;

    /// <summary>Creates an empty cache.</summary>
    /// <param name="words">The number of places; 0 remembers nothing.</param>
    public WordCache(int words) =>
        _entries = words == 0 ? [] : new Entry?[BitOperations.RoundUpToPowerOf2((uint)Math.Max(words, 2))];

    /// <summary>Finds the ids of a word.</summary>
    public bool TryGet(ReadOnlySpan<char> word, out ReadOnlySpan<int> ids)
    {
        if (_entries.Length > 0 && word.Length <= LongestWord)
        {
            // Two places a word, the fresher first: a common word survives a rare one with the same place.
            int place = Place(word);
            Entry? entry = Volatile.Read(ref _entries[place]);
            if (entry is not null && word.SequenceEqual(entry.Word))
            {
                ids = entry.Ids;
                return true;
            }

            Entry? older = Volatile.Read(ref _entries[place ^ 1]);
            if (older is not null && word.SequenceEqual(older.Word))
            {
                ids = older.Ids;
                return true;
            }
        }

        ids = default;
        return false;
    }

    /// <summary>Remembers a word; the older of the words in its two places is forgotten.</summary>
    public void Add(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (_entries.Length > 0 && word.Length <= LongestWord)
        {
            int place = Place(word);
            Entry? fresher = Volatile.Read(ref _entries[place]);
            if (fresher is not null)
            {
                Volatile.Write(ref _entries[place ^ 1], fresher);
            }

            Volatile.Write(ref _entries[place], new Entry(word.ToString(), ids.ToArray()));
        }
    }

    // Chosen collisions only cost cache misses, so a fast hash without a secret will do.
    private int Place(ReadOnlySpan<char> word)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15UL;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(word);
        ulong hash = (ulong)bytes.Length;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Multiplier, 29);
        }

        ulong tail = 0;
        foreach (byte value in bytes)
        {
            tail = (tail << 8) | value;
        }

        return (int)(((hash ^ tail) * Multiplier) >> 40) & (_entries.Length - 1);
    }

    private sealed class Entry(string word, int[] ids)
    {
        public readonly string Word = word;
        public readonly int[] Ids = ids;
    }
}
