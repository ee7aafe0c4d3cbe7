using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Checkpoints;

/// <summary>An open safetensors file with a validated header; tensors are read by bounded reads from one handle.</summary>
/// <remarks>
/// The file is never mapped into memory: a map of a file that another process shortens kills the process, a read fails with an error.
/// Reads may run on several threads at once.
/// </remarks>
public sealed class SafetensorsFile : IDisposable
{
    // File systems keep times to within two seconds.
    private static readonly TimeSpan StampResolution = TimeSpan.FromSeconds(3);

    private readonly SafeFileHandle _handle;
    private readonly DateTime _modified;
    private readonly byte[] _headerDigest;

    private SafetensorsFile(string path, SafeFileHandle handle)
    {
        Path = path;
        _handle = handle;
        Length = RandomAccess.GetLength(handle);
        _modified = File.GetLastWriteTimeUtc(handle);

        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        prefix = prefix[..(int)Math.Min(prefix.Length, Length)];
        RegularFile.ReadExactly(handle, 0, prefix, path);
        CheckedSize headerLength = CheckedSize.From(SafetensorsHeader.ReadLength(prefix, Length, path), path);
        CheckedSize dataStart = headerLength + SafetensorsHeader.PrefixBytes;
        DataStart = dataStart.ToInt64();

        byte[] start = new byte[dataStart.ToArrayLength()];
        prefix.CopyTo(start);
        RegularFile.ReadExactly(handle, prefix.Length, start.AsSpan(prefix.Length), path);
        DataLength = (CheckedSize.From(Length, path) - dataStart.Value).ToInt64();
        Header = SafetensorsHeader.Parse(start.AsSpan(prefix.Length), DataLength, path);
        _headerDigest = SHA256.HashData(start);
    }

    /// <summary>Gets the path as it was given.</summary>
    public string Path { get; }

    /// <summary>Gets the length of the file in bytes, as it was when the file was opened.</summary>
    public long Length { get; }

    /// <summary>Gets the bytes in front of the data section.</summary>
    public long DataStart { get; }

    /// <summary>Gets the bytes of the data section, which the tensors cover exactly.</summary>
    public long DataLength { get; }

    /// <summary>Gets the validated header.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Gets the SHA-256 of the whole file in lower-case hexadecimal; null until a load that computes it has finished.</summary>
    public string? Sha256 { get; internal set; }

    /// <summary>Gets or sets who is told of every read of a tensor's bytes; null: nobody.</summary>
    internal Action<TensorEntry, TensorPart>? ReadTrace { get; set; }

    /// <summary>Gets a tensor of the file.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="CheckpointException">The file holds no such tensor.</exception>
    public StoredTensor this[string name] => Header.Find(name) is { } entry
        ? new StoredTensor(this, entry)
        : throw new CheckpointException(CheckpointError.TensorNotFound, Path, "a tensor of this name", "none", name);

    /// <summary>Opens a file and validates its header; no tensor is read.</summary>
    /// <param name="path">The file; it must not be a symbolic link, pipe, device or directory.</param>
    /// <exception cref="CheckpointException">The file cannot be opened, or its header breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("Safetensors files are read on little-endian machines only.");
        }

        SafeFileHandle handle = RegularFile.OpenRead(path);
        try
        {
            return new SafetensorsFile(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads part of a tensor.</summary>
    /// <param name="tensor">A tensor of this file's header.</param>
    /// <param name="offset">The first byte, counted from the tensor's beginning.</param>
    /// <param name="destination">Receives exactly its length of bytes.</param>
    /// <exception cref="ArgumentException">The tensor belongs to another file, or the range leaves the tensor.</exception>
    /// <exception cref="CheckpointException">The file became shorter, or cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public void Read(TensorEntry tensor, long offset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!ReferenceEquals(Header.Find(tensor.Name), tensor))
        {
            throw new ArgumentException($"The tensor {tensor} is not one of {Path}.", nameof(tensor));
        }

        if (offset < 0 || destination.Length > tensor.ByteCount || offset > tensor.ByteCount - destination.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset), $"{destination.Length} bytes at {offset} leave the {tensor.ByteCount} bytes of {tensor}.");
        }

        CheckedSize position = CheckedSize.From(DataStart, Path, tensor.Name) + (ulong)tensor.Begin + (ulong)offset;
        ReadTrace?.Invoke(tensor, new TensorPart(offset, offset + destination.Length));
        RegularFile.ReadExactly(_handle, position.ToInt64(), destination, Path);
    }

    /// <summary>Checks that nobody changed the file since it was opened.</summary>
    /// <exception cref="CheckpointException">Length or modification time differ.</exception>
    public void VerifyUnchanged()
    {
        long length = RandomAccess.GetLength(_handle);
        DateTime modified = File.GetLastWriteTimeUtc(_handle);
        if (length != Length || modified != _modified)
        {
            throw new CheckpointException(
                CheckpointError.FileChanged,
                Path,
                $"{Length} bytes modified {_modified:O} as on opening",
                $"{length} bytes modified {modified:O}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>Says which file this is and when it was last changed: any write gives another stamp.</summary>
    /// <param name="now">The time.</param>
    /// <returns>The stamp, or null while the last change is so recent that a further one could have the same time.</returns>
    internal string? Stamp(DateTimeOffset now)
    {
        (string identity, DateTimeOffset changed) = OperatingSystem.IsLinux()
            ? LinuxFile.Stamp(_handle, Path)
            : (FormattableString.Invariant($"{_modified.Ticks}"), new DateTimeOffset(_modified));
        return now - changed >= StampResolution ? FormattableString.Invariant($"{Length}:{identity}") : null;
    }

    /// <summary>Feeds the bytes in front of the data section to a digest, and checks that they are those that were parsed.</summary>
    internal void AppendStart(IncrementalHash digest, Span<byte> buffer)
    {
        using IncrementalHash start = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long position = 0; position < DataStart; position += buffer.Length)
        {
            Span<byte> part = buffer[..(int)Math.Min(buffer.Length, DataStart - position)];
            RegularFile.ReadExactly(_handle, position, part, Path);
            start.AppendData(part);
            digest.AppendData(part);
        }

        if (!start.GetHashAndReset().AsSpan().SequenceEqual(_headerDigest))
        {
            throw new CheckpointException(CheckpointError.FileChanged, Path, "the header as on opening", "another one");
        }
    }
}
