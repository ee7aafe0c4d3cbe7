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

    private readonly ByteLevelBpeTokenizer _tokenizer;
    private readonly WorkerTeam _team;
    private readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly List<CorpusDocument> _documents = [];
    private readonly CancellationToken _cancellationToken;
    private readonly Stream _stream;
    private long _ids;

    private CorpusWriter(Stream stream, ByteLevelBpeTokenizer tokenizer, int threads, CancellationToken cancellationToken)
    {
        _stream = stream;
        _tokenizer = tokenizer;
        _team = new WorkerTeam(threads);
        _cancellationToken = cancellationToken;
    }

    /// <summary>Writes a corpus.</summary>
    /// <param name="path">The file to appear, whole or not at all.</param>
    /// <param name="key">The SHA-256 it is named by.</param>
    /// <param name="sources">The documents.</param>
    /// <param name="digests">The SHA-256 of each file of the sources, which they must still have.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="threads">Worker threads.</param>
    /// <param name="progress">Told the bytes of the files that are read.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="TrainingDataException">A source is malformed, or changed since it was digested.</exception>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    /// <exception cref="IOException">A source cannot be read, or the file not be written.</exception>
    public static void Write(
        string path,
        byte[] key,
        DocumentSources sources,
        IReadOnlyList<string> digests,
        ByteLevelBpeTokenizer tokenizer,
        int threads,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken) => DurableFile.Write(path, stream =>
        {
            using CorpusWriter writer = new(stream, tokenizer, threads, cancellationToken);
            writer.Put(CorpusFile.Head(key));
            long total = sources.Files.Sum(file => new FileInfo(file).Length), done = 0;
            foreach ((string file, string digest) in sources.Files.Zip(digests))
            {
                done += writer.PutFile(file, digest, sources.Parser(file), read => progress?.Report(new WorkProgress(done + read, total, file)));
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

    private long PutFile(string file, string digest, Func<ReadOnlyMemory<byte>, string> parse, Action<long> report)
    {
        using SourceReader reader = new(file);
        List<string> batch = [];
        long characters = 0;
        while (reader.TryRead(parse, out string? text))
        {
            _cancellationToken.ThrowIfCancellationRequested();
            if (text!.Length == 0)
            {
                continue;
            }

            batch.Add(text);
            characters += text.Length;
            if (characters >= BatchCharacters)
            {
                PutBatch(batch);
                characters = 0;
                report(reader.Position);
            }
        }

        PutBatch(batch);
        if (reader.Finish() != digest)
        {
            throw new TrainingDataException(file, "expected the content found when it was opened, found another one: it changed while it was read");
        }

        report(reader.Position);
        return reader.Position;
    }

    private void PutBatch(List<string> batch)
    {
        int next = -1;
        (int[] Ids, int Bytes, ulong Hash)[] made = new (int[], int, ulong)[batch.Count];
        ExceptionDispatchInfo? failure = null;
        _team.Run((_, _) =>
        {
            try
            {
                for (int i = Interlocked.Increment(ref next); i < made.Length; i = Interlocked.Increment(ref next))
                {
                    _cancellationToken.ThrowIfCancellationRequested();
                    byte[] bytes = Encoding.UTF8.GetBytes(batch[i]);
                    made[i] = (_tokenizer.Encode(batch[i]), bytes.Length, ValidationSplit.Hash(bytes));
                }
            }
            catch (Exception e) when (e is TokenizerException or OperationCanceledException)
            {
                // Thrown by the team it would be wrapped.
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        failure?.Throw();
        foreach ((int[] ids, int bytes, ulong hash) in made)
        {
            Put(MemoryMarshal.AsBytes<int>(ids));
            _documents.Add(new CorpusDocument(_ids, ids.Length, bytes, hash));
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
