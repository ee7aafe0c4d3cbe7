using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>
/// Documents joined to one stream, a separator before, between and after them, and cut into windows: window i of T rows reads the ids
/// i·T to i·T + T − 1 and predicts the ids i·T + 1 to i·T + T, so that each id but the first is predicted once.
/// </summary>
public sealed class PackedWindows : ITrainingSet
{
    private readonly TokenCorpus _corpus;
    private readonly PackingOptions _options;
    private readonly int[] _documents;

    // The place in the stream of the separator before each document, and of the last one.
    private readonly long[] _separators;

    /// <summary>Packs documents.</summary>
    /// <param name="corpus">The corpus; it must outlive the windows.</param>
    /// <param name="options">How to pack them.</param>
    /// <param name="documents">The numbers of the documents in the order of the stream; null for all.</param>
    /// <exception cref="ArgumentOutOfRangeException">A window has no row, or the vocabulary has no such separator.</exception>
    /// <exception cref="ArgumentException">There are more than 2^31 − 1 windows.</exception>
    public PackedWindows(TokenCorpus corpus, PackingOptions options, IReadOnlyList<int>? documents = null)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Length, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Separator);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(options.Separator, corpus.Tokenizer.Tokenizer.VocabularySize);
        _corpus = corpus;
        _options = options;
        _documents = documents is null ? [.. Enumerable.Range(0, corpus.Documents.Length)] : [.. documents];
        _separators = new long[_documents.Length + 1];
        for (int i = 0; i < _documents.Length; i++)
        {
            _separators[i + 1] = _separators[i] + 1 + corpus.Documents[_documents[i]].Count;
        }

        long rows = IdCount - 1, windows = (rows + (options.KeepLast ? options.Length - 1 : 0)) / options.Length;
        Count = windows <= int.MaxValue ? (int)windows : throw new ArgumentException($"{windows} windows are more than {int.MaxValue}.", nameof(options));
        Digest = DigestOf();
    }

    /// <summary>The ids of the stream, separators included.</summary>
    public long IdCount => _separators[^1] + 1;

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public string Digest { get; }

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">The file of the corpus cannot be read any more.</exception>
    public TrainingSequence this[int index]
    {
        get
        {
            int[] ids = Ids(index, out List<int> starts);
            return new TrainingSequence(ids[..^1], ids[1..]) { DocumentStarts = _options.IsolateDocuments ? [.. starts] : [0] };
        }
    }

    /// <inheritdoc/>
    public long TextBytes(int index)
    {
        ByteLevelBpeTokenizer tokenizer = _corpus.Tokenizer.Tokenizer;
        return Ids(index, out _).Skip(1).Sum(id => id == _options.Separator ? 0L : tokenizer.GetTokenBytes(id).Length);
    }

    // The ids of a window and the one after them; and the rows at which documents begin, of which the first row is one.
    private int[] Ids(int index, out List<int> starts)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        long first = (long)index * _options.Length;
        int[] ids = new int[(int)Math.Min(_options.Length + 1L, IdCount - first)];
        starts = [0];
        int found = Array.BinarySearch(_separators, first);
        int document = found >= 0 ? found : ~found - 1;
        for (int filled = 0; filled < ids.Length;)
        {
            long inside = first + filled - _separators[document];
            if (inside == 0)
            {
                if (filled > 0 && filled < ids.Length - 1)
                {
                    starts.Add(filled);
                }

                ids[filled++] = _options.Separator;
                inside++;
            }

            if (document < _documents.Length)
            {
                CorpusDocument read = _corpus.Documents[_documents[document]];
                int count = (int)Math.Min(read.Count - (inside - 1), ids.Length - filled);
                _corpus.Read(read.First + inside - 1, ids.AsSpan(filled, count));
                filled += count;
                document++;
            }
        }

        return ids;
    }

    private string DigestOf()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $"{_corpus.Digest} windows of {_options.Length}, separator {_options.Separator}, last {_options.KeepLast}, isolated {_options.IsolateDocuments}\n")));
        hash.AppendData(MemoryMarshal.AsBytes<int>(_documents));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
