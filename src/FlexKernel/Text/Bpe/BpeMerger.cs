using System.Text;

namespace FlexKernel.Text.Bpe;

/// <summary>
/// Merges the bytes of one word in the order of the ranks, leftmost first among equals. The pairs wait in a heap, so a word of n bytes
/// takes at most 3n heap entries and O(n log n) time, whatever its bytes. Holds the working memory of one thread at a time.
/// </summary>
internal sealed class BpeMerger
{
    // Above this many bytes the memory of a word is not worth keeping for the next one.
    private const int KeptBytes = 1 << 16;

    private byte[] _bytes = new byte[256];
    private int[] _ids = new int[256];
    private int[] _next = new int[256];
    private int[] _previous = new int[256];
    private ulong[] _heap = new ulong[256];
    private int _heapCount;

    /// <summary>How many heap entries and steps inside the heap all words so far took: the measure of the work, for tests.</summary>
    public long Work { get; private set; }

    /// <summary>Encodes a word.</summary>
    /// <param name="model">The vocabulary and merges.</param>
    /// <param name="word">The word; not empty, well-formed.</param>
    /// <returns>The ids; valid until the next call.</returns>
    public ReadOnlySpan<int> Encode(BpeModel model, ReadOnlySpan<char> word)
    {
        int most = Encoding.UTF8.GetMaxByteCount(word.Length);
        if (_bytes.Length < most)
        {
            _bytes = new byte[most];
        }

        int length = Encoding.UTF8.GetBytes(word, _bytes);
        return Encode(model, _bytes.AsSpan(0, length));
    }

    /// <summary>Encodes the bytes of a word.</summary>
    /// <param name="model">The vocabulary and merges.</param>
    /// <param name="bytes">The bytes; not empty.</param>
    /// <returns>The ids; valid until the next call.</returns>
    public ReadOnlySpan<int> Encode(BpeModel model, ReadOnlySpan<byte> bytes)
    {
        if (_ids.Length < bytes.Length)
        {
            _ids = new int[bytes.Length];
            _next = new int[bytes.Length];
            _previous = new int[bytes.Length];
        }

        if (model.WholeWordsFirst && model.Tokens.TryGetId(bytes, out int whole))
        {
            _ids[0] = whole;
            return _ids.AsSpan(0, 1);
        }

        Link(model, bytes);
        while (_heapCount > 0)
        {
            MergeBest(model.Merges);
        }

        // Symbols only move to the left, so the result can be gathered in place.
        int count = 0;
        for (int at = 0; at >= 0; at = _next[at])
        {
            _ids[count++] = _ids[at];
        }

        return _ids.AsSpan(0, count);
    }

    /// <summary>Gives back memory that only an unusually long word needs.</summary>
    public void Trim()
    {
        if (_bytes.Length > 3 * KeptBytes || _ids.Length > KeptBytes)
        {
            _bytes = new byte[256];
            _ids = new int[256];
            _next = new int[256];
            _previous = new int[256];
            _heap = new ulong[256];
        }
    }

    private void Link(BpeModel model, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            _ids[i] = model.ByteIds[bytes[i]];
            _previous[i] = i - 1;
            _next[i] = i + 1;
        }

        _next[bytes.Length - 1] = -1;
        for (int i = 0; i + 1 < bytes.Length; i++)
        {
            PushPair(model.Merges, i, i + 1);
        }
    }

    private void MergeBest(MergeTable merges)
    {
        ulong entry = Pop();
        int at = (int)(uint)entry;
        int right = _next[at];

        // The pair may have changed or gone since it was pushed. No other pair has its rank, so comparing ranks tells.
        if (_ids[at] < 0 || right < 0 || !merges.TryGet(_ids[at], _ids[right], out int rank, out int result) || rank != (int)(entry >> 32))
        {
            return;
        }

        int after = _next[right];
        _ids[at] = result;
        _ids[right] = -1;
        _next[at] = after;
        if (after >= 0)
        {
            _previous[after] = at;
            PushPair(merges, at, after);
        }

        if (_previous[at] >= 0)
        {
            PushPair(merges, _previous[at], at);
        }
    }

    private void PushPair(MergeTable merges, int left, int right)
    {
        if (merges.TryGet(_ids[left], _ids[right], out int rank, out _))
        {
            Push(((ulong)(uint)rank << 32) | (uint)left);
        }
    }

    private void Push(ulong entry)
    {
        if (_heapCount == _heap.Length)
        {
            Array.Resize(ref _heap, _heap.Length * 2);
        }

        ulong[] heap = _heap;
        int hole = _heapCount++;
        Work++;
        while (hole > 0)
        {
            int parent = (hole - 1) / 2;
            if (heap[parent] <= entry)
            {
                break;
            }

            heap[hole] = heap[parent];
            hole = parent;
            Work++;
        }

        heap[hole] = entry;
    }

    private ulong Pop()
    {
        ulong[] heap = _heap;
        ulong top = heap[0];
        ulong last = heap[--_heapCount];
        int count = _heapCount;
        int hole = 0;
        Work++;
        while (true)
        {
            int child = (2 * hole) + 1;
            if (child >= count)
            {
                break;
            }

            if (child + 1 < count && heap[child + 1] < heap[child])
            {
                child++;
            }

            if (last <= heap[child])
            {
                break;
            }

            heap[hole] = heap[child];
            hole = child;
            Work++;
        }

        heap[hole] = last;
        return top;
    }
}
