namespace FlexKernel.Distribution;

/// <summary>Takes the bytes of a file in order.</summary>
internal delegate void ByteSink(ReadOnlySpan<byte> bytes);

/// <summary>A file of a source as it was found: what later reads must agree with.</summary>
/// <param name="Name">A base name.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Version">What changes with its content, for example an entity tag; null when the source tells nothing of the kind.</param>
/// <param name="HasRanges">Whether parts can be read without what stands before them.</param>
/// <param name="Start">Its first bytes: all of a short file.</param>
internal sealed record SourceFile(string Name, long Length, string? Version, bool HasRanges, ReadOnlyMemory<byte> Start);

/// <summary>A place that holds the files of one model.</summary>
internal abstract class ModelSource : IDisposable
{
    /// <summary>Bytes to ask for with a file that is wanted whole and usually small.</summary>
    public const int SmallFile = 1 << 16;

    /// <summary>The place as errors and reports show it, ending where a file name begins; without credentials.</summary>
    public abstract string Address { get; }

    /// <summary>Reads that may run at once.</summary>
    public abstract int Connections { get; }

    /// <summary>What the user should know about how the source behaves.</summary>
    public virtual IEnumerable<string> Notes => [];

    /// <summary>Finds a file; null when there is none.</summary>
    /// <param name="name">A base name.</param>
    /// <param name="startBytes">How many of its first bytes to read along; positive.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="PullException">The file cannot be had.</exception>
    public abstract Task<SourceFile?> FindAsync(string name, int startBytes, CancellationToken cancellationToken);

    /// <summary>Reads part of a file; the sink gets every byte once, in order, whatever happens on the way.</summary>
    /// <exception cref="PullException">The bytes cannot be had, or the file is not the one that was found.</exception>
    public abstract Task ReadAsync(SourceFile file, long offset, long length, ByteSink sink, CancellationToken cancellationToken);

    /// <summary>Reads a whole small file.</summary>
    /// <exception cref="PullException">As <see cref="ReadAsync"/>, or the file is longer than allowed.</exception>
    public async Task<byte[]> ReadAllAsync(SourceFile file, int maxBytes, CancellationToken cancellationToken)
    {
        if (file.Length > maxBytes)
        {
            throw new PullException(PullError.TooLarge, $"{Address}{file.Name}: expected at most {maxBytes} bytes, found {file.Length}");
        }

        return await ReadStartAsync(file, (int)file.Length, cancellationToken);
    }

    /// <summary>Reads the first bytes of a file.</summary>
    /// <exception cref="PullException">As <see cref="ReadAsync"/>.</exception>
    public async Task<byte[]> ReadStartAsync(SourceFile file, int length, CancellationToken cancellationToken)
    {
        byte[] content = new byte[length];
        int filled = Math.Min(length, file.Start.Length);
        file.Start.Span[..filled].CopyTo(content);
        if (filled < length)
        {
            await ReadAsync(file, filled, length - filled, Append, cancellationToken);
        }

        return content;

        void Append(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(content.AsSpan(filled));
            filled += bytes.Length;
        }
    }

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}
