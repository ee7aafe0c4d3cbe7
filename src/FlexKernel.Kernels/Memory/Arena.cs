namespace FlexKernel.Kernels;

/// <summary>Scratch memory handed out piece by piece and taken back all at once; grows to the largest demand seen and stays there.</summary>
internal sealed unsafe class Arena : IDisposable
{
    private const long Alignment = 64;
    private NativeMemoryOwner _memory = new(0);
    private long _used;

    /// <summary>Takes everything back and makes sure that <paramref name="byteCount"/> bytes can be handed out.</summary>
    public void Reset(long byteCount)
    {
        _used = 0;
        if (_memory.ByteCount < byteCount)
        {
            // Should the larger piece not be had, what is left is empty, not freed.
            _memory.Dispose();
            _memory = new NativeMemoryOwner(0);
            _memory = new NativeMemoryOwner(byteCount);
        }
    }

    /// <summary>Bytes that <see cref="Take{T}"/> uses for <paramref name="count"/> items.</summary>
    public static long Size<T>(long count)
        where T : unmanaged => (count * sizeof(T) + Alignment - 1) / Alignment * Alignment;

    /// <summary>Hands out a piece whose content is arbitrary.</summary>
    /// <exception cref="InvalidOperationException">More was taken than <see cref="Reset"/> was asked for.</exception>
    public T* Take<T>(long count)
        where T : unmanaged
    {
        long size = Size<T>(count);
        if (_used + size > _memory.ByteCount)
        {
            throw new InvalidOperationException("The scratch memory is smaller than what it was sized for.");
        }

        T* piece = (T*)(_memory.Pointer + _used);
        _used += size;
        return piece;
    }

    public void Dispose() => _memory.Dispose();
}
