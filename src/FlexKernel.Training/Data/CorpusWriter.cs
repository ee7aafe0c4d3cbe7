using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>
/// Makes the ids of documents and writes them to a <see cref="CorpusFile"/>. Threads share the documents of a batch; what is written has the
/// order of the sources, whatever their number.
/// </summary>
internal sealed class CorpusWriter : IDisposable
{
    // Enough for every thread, little enough to lie in memory.
    private const int BatchCharacters = 1 << 22;

    private readonly ICorpusContent _content;
    private readonly WorkerTeam _team;
    private readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<CorpusDocument> _documents = [];
    private readonly CancellationToken _cancellationToken;
    private readonly Stream _stream;
    private long _ids;

    private CorpusWriter(Stream stream, ICorpusContent content, int threads, CancellationToken cancellationToken)
    {
        _stream = stream;
        _content = content;
        _team = new WorkerTeam(threads);
        _cancellationToken = cancellationToken;
    }

    /// <summary>Writes a corpus.</summary>
    /// <param name="path">The file to appear, whole or not at all.</param>
    /// <param name="key">The SHA-256 it is named by.</param>
    /// <param name="content">The documents.</param>
    /// <param name="digests">The SHA-256 of each of their files, which they must still have.</param>
    /// <param name="threads">Worker threads.</param>
    /// <param name="progress">Told the bytes of the files that are read.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="TrainingDataException">A source is malformed, or changed since it was digested.</exception>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    /// <exception cref="IOException">A source cannot be read, or the file not be written.</exception>
    public static void Write(
        string path,
        byte[] key,
        ICorpusContent content,
        IReadOnlyList<string> digests,
        int threads,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken) => DurableFile.Write(path, stream =>
        {
            using CorpusWriter writer = new(stream, content, threads, cancellationToken);
            writer.Put(CorpusFile.Head(key));
            long total = content.Files.Sum(file => new FileInfo(file).Length), done = 0;
            foreach ((string file, string digest) in content.Files.Zip(digests))
            {
                done += writer.PutFile(file, digest, read => progress?.Report(new WorkProgress(done + read, total, file)));
            }

            writer.Put(CorpusFile.Tail(writer._documents, writer._ids));
            stream.Write(writer._digest.GetHashAndReset());
        });

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _digest.Dispose();
    }

    private long PutFile(string file, string digest, Action<long> report)
    {
        using SourceReader reader = new(file);
        Func<ReadOnlyMemory<byte>, string> parse = _content.Parser(file);
        List<(string Text, long Number)> batch = [];
        long characters = 0;
        while (reader.TryRead(parse, out string? text))
        {
            _cancellationToken.ThrowIfCancellationRequested();
            if (text!.Length == 0)
            {
                continue;
            }

            batch.Add((text, reader.Number));
            characters += text.Length;
            if (characters >= BatchCharacters)
            {
                PutBatch(file, batch);
                characters = 0;
                report(reader.Position);
            }
        }

        PutBatch(file, batch);
        if (reader.Finish() != digest)
        {
            throw new TrainingDataException(file, "expected the content found when it was opened, found another one: it changed while it was read");
        }

        report(reader.Position);
        return reader.Position;
    }

    private void PutBatch(string file, List<(string Text, long Number)> batch)
    {
        int next = -1, failed = batch.Count;
        (int[] Ids, ulong Hash)[] made = new (int[], ulong)[batch.Count];
        ExceptionDispatchInfo? failure = null;
        _team.Run((_, _) =>
        {
            for (int i = Interlocked.Increment(ref next); i < Volatile.Read(ref failed); i = Interlocked.Increment(ref next))
            {
                try
                {
                    _cancellationToken.ThrowIfCancellationRequested();
                    made[i] = _content.Encode(batch[i].Text);
                }
                catch (Exception e) when (e is TokenizerException or OperationCanceledException or NotSupportedException || SourceReader.IsRefusal(e))
                {
                    // Thrown by the team it would be wrapped. The first document at fault is the same one on any number of threads.
                    lock (made)
                    {
                        if (i < failed)
                        {
                            failed = i;
                            failure = ExceptionDispatchInfo.Capture(SourceReader.IsRefusal(e) ? SourceReader.Refused(file, batch[i].Number, e) : e);
                        }
                    }
                }
            }
        });
        failure?.Throw();
        foreach (((string text, _), (int[] ids, ulong hash)) in batch.Zip(made))
        {
            Put(MemoryMarshal.AsBytes<int>(ids));
            _documents.Add(new CorpusDocument(_ids, ids.Length, Encoding.UTF8.GetByteCount(text), hash));
            _ids += ids.Length;
        }

        batch.Clear();
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        _digest.AppendData(bytes);
        _stream.Write(bytes);
    }
}
