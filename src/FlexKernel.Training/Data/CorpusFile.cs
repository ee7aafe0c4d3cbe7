using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Training.Data;

/// <summary>
/// A corpus on disk, little-endian: a head (<c>FKTOKENS</c>, version, the SHA-256 it is named by), the ids as uint32 (of conversations with
/// <see cref="AnswerIds"/> marked), for each document its ids (uint32), UTF-8 bytes (uint32) and hash (uint64), then the numbers of ids and of documents (uint64 each) and the SHA-256 of all before it.
/// </summary>
internal sealed class CorpusFile : IDisposable
{
    /// <summary>Counted up by whoever changes the layout, or how a document becomes ids.</summary>
    public const int Version = 1;

    private const int HeadBytes = 16 + SHA256.HashSizeInBytes, DocumentBytes = 16, CountBytes = 16;
    private readonly SafeFileHandle _handle;
    private readonly string _path;

    private CorpusFile(SafeFileHandle handle, string path, CorpusDocument[] documents, long ids, string digest)
    {
        _handle = handle;
        _path = path;
        Documents = ImmutableCollectionsMarshal.AsImmutableArray(documents);
        IdCount = ids;
        Digest = digest;
    }

    public ImmutableArray<CorpusDocument> Documents { get; }

    public long IdCount { get; }

    public string Digest { get; }

    /// <summary>Opens a corpus and checks all of it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The SHA-256 it is to be named by.</param>
    /// <param name="cancellationToken">Stops the check.</param>
    /// <exception cref="CheckpointException">The file is missing, damaged, or of another version or name.</exception>
    public static CorpusFile Open(string path, byte[] key, CancellationToken cancellationToken)
    {
        SafeFileHandle handle = RegularFile.OpenRead(path);
        try
        {
            CheckedSize length = CheckedSize.From(RandomAccess.GetLength(handle), path), body = length - SHA256.HashSizeInBytes, counts = body - CountBytes;
            byte[] digest = Sum(handle, body.ToInt64(), path, cancellationToken), stored = Bytes(handle, body.ToInt64(), SHA256.HashSizeInBytes, path);
            if (!digest.AsSpan().SequenceEqual(stored))
            {
                throw new CheckpointException(CheckpointError.FileChanged, path, "the content its SHA-256 was made of", "another one");
            }

            if (!Bytes(handle, 0, HeadBytes, path).AsSpan().SequenceEqual(Head(key)))
            {
                throw new CheckpointException(CheckpointError.UnsupportedFormat, path, $"a corpus of version {Version} and of these sources", "another one");
            }

            byte[] numbers = Bytes(handle, counts.ToInt64(), CountBytes, path);
            ulong ids = BinaryPrimitives.ReadUInt64LittleEndian(numbers), documents = BinaryPrimitives.ReadUInt64LittleEndian(numbers.AsSpan(8));
            CheckedSize table = new CheckedSize(ids, path) * sizeof(uint) + HeadBytes, tableBytes = new CheckedSize(documents, path) * DocumentBytes;
            if ((table + tableBytes.Value).Value != counts.Value)
            {
                throw new CheckpointException(CheckpointError.TotalSizeMismatch, path, $"{ids} ids and {documents} documents", $"{length.Value} bytes");
            }

            CorpusDocument[] read = Table(Bytes(handle, table.ToInt64(), tableBytes.ToArrayLength(), path));
            long held = read.Length == 0 ? 0 : read[^1].First + read[^1].Count;
            return held == (long)ids
                ? new CorpusFile(handle, path, read, held, Convert.ToHexStringLower(digest))
                : throw new CheckpointException(CheckpointError.TotalSizeMismatch, path, $"{ids} ids", $"documents of {held}");
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>What a corpus begins with.</summary>
    public static byte[] Head(byte[] key)
    {
        byte[] head = new byte[HeadBytes];
        "FKTOKENS"u8.CopyTo(head);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(8), Version);
        key.CopyTo(head, 16);
        return head;
    }

    /// <summary>What follows the ids.</summary>
    public static byte[] Tail(IReadOnlyList<CorpusDocument> documents, long ids)
    {
        byte[] tail = new byte[checked(documents.Count * DocumentBytes + CountBytes)];
        Span<byte> place = tail;
        foreach (CorpusDocument document in documents)
        {
            BinaryPrimitives.WriteInt32LittleEndian(place, document.Count);
            BinaryPrimitives.WriteInt32LittleEndian(place[4..], document.Bytes);
            BinaryPrimitives.WriteUInt64LittleEndian(place[8..], document.Hash);
            place = place[DocumentBytes..];
        }

        BinaryPrimitives.WriteInt64LittleEndian(place, ids);
        BinaryPrimitives.WriteInt64LittleEndian(place[8..], documents.Count);
        return tail;
    }

    /// <summary>Reads ids from a place on; they must exist.</summary>
    public void Read(long first, Span<int> destination) =>
        RegularFile.ReadExactly(_handle, HeadBytes + first * sizeof(uint), MemoryMarshal.AsBytes(destination), _path);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static CorpusDocument[] Table(ReadOnlySpan<byte> table)
    {
        CorpusDocument[] documents = new CorpusDocument[table.Length / DocumentBytes];
        long first = 0;
        for (int i = 0; i < documents.Length; i++)
        {
            ReadOnlySpan<byte> row = table[(i * DocumentBytes)..];
            int count = BinaryPrimitives.ReadInt32LittleEndian(row);
            documents[i] = new CorpusDocument(
                first, count, BinaryPrimitives.ReadInt32LittleEndian(row[4..]), BinaryPrimitives.ReadUInt64LittleEndian(row[8..]));
            first += count;
        }

        return documents;
    }

    private static byte[] Bytes(SafeFileHandle handle, long position, int count, string path)
    {
        byte[] bytes = new byte[count];
        RegularFile.ReadExactly(handle, position, bytes, path);
        return bytes;
    }

    private static byte[] Sum(SafeFileHandle handle, long length, string path, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (long position = 0; position < length; position += buffer.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - position));
            RegularFile.ReadExactly(handle, position, part, path);
            hash.AppendData(part);
        }

        return hash.GetHashAndReset();
    }
}
