using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>
/// Conversations to learn answers from: of <c>.jsonl</c> files each line is <c>{"messages":[{"role":…,"content":…},…]}</c>, if need be with
/// <c>tools</c>. Each is one sequence, as the chat template renders it; the targets that count are the tokens of the assistant, of all its
/// answers, with the token that ends each. Their ids are made once and kept as those of a <see cref="TokenCorpus"/>, whatever the length.
/// </summary>
/// <remarks>
/// Text of messages cannot hold control tokens. Where the template does not mark answers with <c>{% generation %}</c>, what it renders of some
/// messages must be the beginning of what it renders of more.
/// </remarks>
public sealed class Conversations : ITrainingSet, IDisposable
{
    private static readonly string[] Kinds = [SourceFile.JsonLines];

    private readonly CorpusFile _file;
    private readonly int _length;
    private readonly HashSet<int> _added;
    private readonly ByteLevelBpeTokenizer _tokenizer;

    // Of the conversations with an answer within the length, their numbers in the file.
    private readonly List<int> _kept = [];

    private Conversations(CorpusFile file, ByteLevelBpeTokenizer tokenizer, int length, IEnumerable<string> notices, CancellationToken cancellationToken)
    {
        _file = file;
        _tokenizer = tokenizer;
        _length = length;
        _added = [.. tokenizer.AddedTokens.Select(token => token.Id)];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        bool endsTurns = false;
        for (int i = 0; i < file.Documents.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Truncated += file.Documents[i].Count - 1 > length ? 1 : 0;
            if (ReadSequence(i) is { TargetCount: > 0 } sequence)
            {
                _kept.Add(i);
                endsTurns |= sequence.Targets.Any(_added.Contains);
                hash.AppendData(BitConverter.GetBytes(sequence.Ids.Length));
                hash.AppendData(MemoryMarshal.AsBytes<int>(sequence.Ids));
                hash.AppendData(MemoryMarshal.AsBytes<int>(sequence.Targets));
            }
        }

        Dropped = file.Documents.Length - _kept.Count;
        Digest = Convert.ToHexStringLower(hash.GetHashAndReset());
        Notices = [.. notices, .. Notes(endsTurns)];
    }

    /// <inheritdoc/>
    public int Count => _kept.Count;

    /// <inheritdoc/>
    public string Digest { get; }

    /// <summary>The conversations longer than a sequence may be: what they have behind it is left out.</summary>
    public int Truncated { get; }

    /// <summary>The conversations left out because no token of an answer lies within the length.</summary>
    public int Dropped { get; }

    /// <summary>What a user should know: files left out because of their kind, conversations truncated or left out.</summary>
    public IReadOnlyList<string> Notices { get; }

    /// <summary>Whether the ids were there before.</summary>
    public bool IsFromCache { get; private init; }

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">The file of the ids cannot be read any more.</exception>
    public TrainingSequence this[int index] => ReadSequence(_kept[index])!;

    /// <summary>Opens conversations; their ids are made first if need be.</summary>
    /// <param name="paths">Files and directories, as for <see cref="DocumentSources.Find"/>; only <c>.jsonl</c> and <c>.jsonl.gz</c>.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="template">What renders them.</param>
    /// <param name="options">How long a sequence may be.</param>
    /// <param name="corpora">Where ids are kept, and on how many threads they are made.</param>
    /// <param name="progress">Told the bytes of files whose ids are made.</param>
    /// <param name="cancellationToken">Stops the work; no file is left behind.</param>
    /// <exception cref="ArgumentException">There is no path.</exception>
    /// <exception cref="TrainingDataException">
    /// A line is malformed or has no message of the assistant, the template refuses it or renders it in a way that hides where answers begin or
    /// end, there is no conversation within the length, or a file changes while it is read.
    /// </exception>
    /// <exception cref="NotSupportedException">The tokenizer has a normaliser, which moves places.</exception>
    /// <exception cref="IOException">A file cannot be read, or the ids not be written.</exception>
    /// <exception cref="CheckpointException">What was written cannot be read back.</exception>
    public static Conversations Open(
        IEnumerable<string> paths,
        CorpusTokenizer tokenizer,
        ChatTemplate template,
        ConversationOptions options,
        CorpusOptions? corpora = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Length, 1);
        List<string> others = [], notices = [];
        IReadOnlyList<string> files = SourceFile.Find(paths, Kinds, others);
        notices.AddRange(others.Select(file => $"{file}: left out: no JSONL by its name"));
        ConversationEncoder content = new(files, tokenizer, template, options.Date, cancellationToken);
        CorpusFile file = CorpusCache.Open(content, corpora ?? new CorpusOptions(), notices, out bool isFromCache, progress, cancellationToken);
        try
        {
            Conversations read = new(file, tokenizer.Tokenizer, options.Length, notices, cancellationToken) { IsFromCache = isFromCache };
            return read.Count > 0
                ? read
                : throw new TrainingDataException(
                    SourceFile.Name(files), $"expected conversations with an answer within {options.Length} tokens, found none of {file.Documents.Length}");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long TextBytes(int index) => this[index].Targets
        .Sum(id => id == TrainingSequence.Ignored || _added.Contains(id) ? 0L : _tokenizer.GetTokenBytes(id).Length);

    /// <summary>What <see cref="ValidationSplit.Hash"/> gives for the JSON of the messages of a conversation, without white space.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    public ulong Hash(int index) => _file.Documents[_kept[index]].Hash;

    /// <summary>Closes the file of the ids.</summary>
    public void Dispose() => _file.Dispose();

    // Null where nothing follows the first id.
    private TrainingSequence? ReadSequence(int document)
    {
        CorpusDocument read = _file.Documents[document];
        int[] kept = new int[(int)Math.Min(read.Count, _length + 1L)];
        _file.Read(read.First, kept);
        return kept.Length > 1 ? AnswerIds.ToSequence(kept) : null;
    }

    private IEnumerable<string> Notes(bool endsTurns)
    {
        int all = _file.Documents.Length;
        if (Truncated > 0)
        {
            yield return $"{Truncated} of {all} conversations are longer than {_length} tokens; what lies behind is left out";
        }

        if (Dropped > 0)
        {
            yield return $"{Dropped} of {all} conversations have no answer within {_length} tokens and are left out";
        }

        if (!endsTurns)
        {
            yield return "the chat template puts no control token after answers; the model does not learn where to stop";
        }
    }
}
