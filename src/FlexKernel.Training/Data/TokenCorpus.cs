using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>The ids of documents, made once and kept in a file of a cache directory; reads of many threads may run at once.</summary>
/// <remarks>
/// The file is named by what the ids depend on (<see cref="CorpusCache"/>). All of it is checked against its own SHA-256 when it is opened; a
/// damaged one is made anew, with a notice. Added tokens in documents are parsed. Ids stay on disk and are read as they are needed.
/// </remarks>
public sealed class TokenCorpus : IDisposable
{
    private readonly CorpusFile _file;

    private TokenCorpus(CorpusFile file, CorpusTokenizer tokenizer, IReadOnlyList<string> notices, bool isFromCache)
    {
        _file = file;
        Tokenizer = tokenizer;
        Notices = notices;
        IsFromCache = isFromCache;
    }

    /// <summary>What made the ids.</summary>
    public CorpusTokenizer Tokenizer { get; }

    /// <summary>The documents in the order of the sources; empty ones are left out.</summary>
    public ImmutableArray<CorpusDocument> Documents => _file.Documents;

    /// <summary>The ids of all documents together.</summary>
    public long IdCount => _file.IdCount;

    /// <summary>The SHA-256 of the corpus, in lower-case hexadecimal.</summary>
    public string Digest => _file.Digest;

    /// <summary>Whether the ids were there before.</summary>
    public bool IsFromCache { get; }

    /// <summary>What a user should know: files left out because of their kind, a damaged corpus that was made anew.</summary>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>Opens the corpus of sources, which is made first if need be.</summary>
    /// <param name="sources">The documents.</param>
    /// <param name="tokenizer">What makes ids of them.</param>
    /// <param name="options">Where corpora lie, and on how many threads they are made.</param>
    /// <param name="progress">Told the bytes of source files whose ids are made.</param>
    /// <param name="cancellationToken">Stops the work; no file is left behind.</param>
    /// <exception cref="TrainingDataException">A source is malformed, or changes while it is read, or there is no document.</exception>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    /// <exception cref="IOException">A source cannot be read, or the corpus not be written.</exception>
    /// <exception cref="CheckpointException">What was written cannot be read back.</exception>
    public static TokenCorpus Open(
        DocumentSources sources,
        CorpusTokenizer tokenizer,
        CorpusOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(tokenizer);
        List<string> notices = [.. sources.Others.Select(file => $"{file}: left out: no text, Markdown or JSONL by its name")];
        CorpusFile file = CorpusCache.Open(
            new DocumentContent(sources, tokenizer), options ?? new CorpusOptions(), notices, out bool isFromCache, progress, cancellationToken);
        if (file.Documents.IsEmpty)
        {
            file.Dispose();
            throw new TrainingDataException(SourceFile.Name(sources.Files), "expected documents, found none");
        }

        return new TokenCorpus(file, tokenizer, notices, isFromCache);
    }

    /// <summary>Reads ids.</summary>
    /// <param name="first">The place of the first, from 0.</param>
    /// <param name="destination">Receives them.</param>
    /// <exception cref="ArgumentOutOfRangeException">The corpus ends before the destination is full.</exception>
    /// <exception cref="CheckpointException">The file cannot be read any more.</exception>
    public void Read(long first, Span<int> destination)
    {
        if (first < 0 || first > IdCount - destination.Length)
        {
            throw new ArgumentOutOfRangeException(nameof(first), first, $"{destination.Length} ids are asked for; the corpus has {IdCount}.");
        }

        _file.Read(first, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
