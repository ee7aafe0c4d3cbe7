using System.Collections.Immutable;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Checkpoints;

/// <summary>Writes a safetensors file piece by piece, so that it appears under its name whole and on disk, or not at all.</summary>
/// <remarks>
/// The bytes go to a temporary file in the same directory, which <see cref="Complete"/> flushes and renames; otherwise
/// <see cref="Dispose"/> deletes it. Tensors may be filled in any order and by turns; their order in the file is that of the reference
/// writer: wider element types first, then by name.
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly SafeFileHandle _handle;
    private readonly long _dataStart;
    private readonly Dictionary<string, Progress> _progress;
    private bool _completed;

    private SafetensorsWriter(string path, ImmutableArray<TensorEntry> tensors, byte[] header)
    {
        _path = Path.GetFullPath(path);
        Tensors = tensors;
        _progress = tensors.ToDictionary(tensor => tensor.Name, tensor => new Progress(tensor), StringComparer.Ordinal);
        CheckedSize dataStart = CheckedSize.From(header.Length, path);
        _dataStart = dataStart.ToInt64();
        long length = (dataStart + (ulong)(tensors.IsEmpty ? 0 : tensors[^1].End)).ToInt64();

        // Not *.safetensors: what a crash leaves behind must not look like a shard.
        _temporary = $"{_path}.{Guid.NewGuid():N}.tmp";
        _handle = File.OpenHandle(
            _temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, preallocationSize: length);
        try
        {
            RandomAccess.Write(_handle, header, 0);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Gets the tensors in file order.</summary>
    public ImmutableArray<TensorEntry> Tensors { get; }

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to appear; an existing one is replaced on completion.</param>
    /// <param name="tensors">All tensors of the file, in any order.</param>
    /// <param name="metadata">Free text to store with the tensors, or null.</param>
    /// <param name="byteAlignment">What the first U8 tensor is aligned to in the file; a multiple of 8.</param>
    /// <exception cref="ArgumentException">A name is reserved, repeated or not valid text, or a size is not possible.</exception>
    /// <exception cref="IOException">The temporary file cannot be created, for example because the disk is full.</exception>
    public static SafetensorsWriter Create(
        string path, IEnumerable<TensorSpec> tensors, IReadOnlyDictionary<string, string>? metadata = null, int byteAlignment = sizeof(ulong))
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        ImmutableArray<TensorEntry> layout = SafetensorsLayout.Arrange(tensors);
        return new SafetensorsWriter(path, layout, SafetensorsLayout.Header(layout, metadata, byteAlignment));
    }

    /// <summary>Writes the next bytes of a tensor.</summary>
    /// <param name="tensor">The name of the tensor.</param>
    /// <param name="bytes">Its next bytes as the file stores them: little-endian, row-major.</param>
    /// <exception cref="ArgumentException">No tensor has this name, or it would become longer than its type and shape say.</exception>
    /// <exception cref="IOException">The bytes cannot be written.</exception>
    public void Append(string tensor, ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Progress progress = Find(tensor);
        Write(progress, progress.Written, bytes);
    }

    /// <summary>Writes some bytes of a tensor, in any order and on any number of threads at once; every byte exactly once.</summary>
    /// <param name="tensor">The name of the tensor, to which nothing may be appended.</param>
    /// <param name="offset">The offset of the first byte in the tensor.</param>
    /// <param name="bytes">The bytes as the file stores them.</param>
    /// <exception cref="ArgumentException">No tensor has this name, or the bytes do not lie within it.</exception>
    /// <exception cref="IOException">The bytes cannot be written.</exception>
    public void Write(string tensor, long offset, ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Write(Find(tensor), offset, bytes);
    }

    /// <summary>Flushes the file to the disk and gives it its name.</summary>
    /// <exception cref="InvalidOperationException">A tensor lacks bytes.</exception>
    /// <exception cref="IOException">The file cannot be flushed or renamed.</exception>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (_progress.Values.FirstOrDefault(progress => progress.Written != progress.Tensor.ByteCount) is { } missing)
        {
            throw new InvalidOperationException($"{missing.Tensor} takes {missing.Tensor.ByteCount} bytes and got {missing.Written}.");
        }

        RandomAccess.FlushToDisk(_handle);
        _handle.Dispose();
        DurableFile.Rename(_temporary, _path);
        _completed = true;
    }

    /// <summary>Closes the writer; deletes the temporary file unless the file was completed.</summary>
    public void Dispose()
    {
        _handle.Dispose();
        if (!_completed)
        {
            File.Delete(_temporary);
        }
    }

    private Progress Find(string tensor)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        return _progress.TryGetValue(tensor, out Progress? progress)
            ? progress
            : throw new ArgumentException($"The file has no tensor {CheckpointException.Quote(tensor)}.", nameof(tensor));
    }

    private void Write(Progress progress, long offset, ReadOnlySpan<byte> bytes)
    {
        TensorEntry entry = progress.Tensor;
        if (bytes.Length > entry.ByteCount - offset)
        {
            throw new ArgumentException(
                $"{entry} takes {entry.ByteCount} bytes; {bytes.Length} more after {offset} are too many.", nameof(bytes));
        }

        RandomAccess.Write(_handle, bytes, _dataStart + entry.Begin + offset);
        progress.Add(bytes.Length);
    }

    private sealed class Progress(TensorEntry tensor)
    {
        private long _written;

        public TensorEntry Tensor { get; } = tensor;

        public long Written => Interlocked.Read(ref _written);

        public void Add(int bytes) => Interlocked.Add(ref _written, bytes);
    }
}
