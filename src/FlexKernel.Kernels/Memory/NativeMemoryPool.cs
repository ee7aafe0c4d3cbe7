namespace FlexKernel.Kernels;

/// <summary>Memory that comes back and is handed out again, its content arbitrary: no page of it is touched for the first time twice.</summary>
/// <remarks>
/// A piece serves demands of half its size to all of it. One that has become too small for its kind of demand gives way to the larger one, so
/// the pool holds no more pieces of a kind than were in use at once. For one thread at a time.
/// </remarks>
internal sealed class NativeMemoryPool : IDisposable
{
    // By size, the last returned first among equals: it is the one in the caches.
    private readonly List<NativeMemoryOwner> _free = [];

    /// <summary>Hands out at least <paramref name="byteCount"/> bytes.</summary>
    public NativeMemoryOwner Take(long byteCount)
    {
        int place = FirstOf(byteCount);
        if (place < _free.Count && _free[place].ByteCount <= 2 * byteCount)
        {
            NativeMemoryOwner memory = _free[place];
            _free.RemoveAt(place);
            return memory;
        }

        if (place > 0 && _free[place - 1].ByteCount > byteCount / 2)
        {
            _free[place - 1].Dispose();
            _free.RemoveAt(place - 1);
        }

        return new NativeMemoryOwner(byteCount);
    }

    /// <summary>Takes memory back.</summary>
    public void Return(NativeMemoryOwner memory) => _free.Insert(FirstOf(memory.ByteCount), memory);

    public void Dispose()
    {
        _free.ForEach(memory => memory.Dispose());
        _free.Clear();
    }

    // The first free piece of at least this size.
    private int FirstOf(long byteCount)
    {
        int low = 0, high = _free.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _free[middle].ByteCount < byteCount ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
