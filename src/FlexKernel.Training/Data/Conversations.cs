using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Chat;

namespace FlexKernel.Training.Data;

/// <summary>
/// Conversations to learn answers from: of <c>.jsonl</c> files each line is <c>{"messages":[{"role":…,"content":…},…]}</c>, if need be with
/// <c>tools</c>. Each is one sequence, as the chat template renders it; the targets that count are the tokens of the assistant, of all its
/// answers, with the token that ends each. They lie in memory.
/// </summary>
/// <remarks>
/// Text of messages cannot hold control tokens. Where the template does not mark answers with <c>{% generation %}</c>, what it renders of some
/// messages must be the beginning of what it renders of more.
/// </remarks>
public sealed class Conversations : ITrainingSet
{
    private static readonly string[] Kinds = [SourceFile.JsonLines];

    private readonly List<Conversation> _kept;

    private Conversations(List<Conversation> all, IReadOnlyList<string> notices)
    {
        _kept = [.. all.Where(one => one.Sequence is not null)];
        Truncated = all.Count(one => one.IsTruncated);
        Dropped = all.Count - _kept.Count;
        Notices = notices;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (TrainingSequence sequence in _kept.Select(one => one.Sequence!))
        {
            hash.AppendData(BitConverter.GetBytes(sequence.Ids.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(sequence.Ids));
            hash.AppendData(MemoryMarshal.AsBytes<int>(sequence.Targets));
        }

        Digest = Convert.ToHexStringLower(hash.GetHashAndReset());
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

    /// <inheritdoc/>
    public TrainingSequence this[int index] => _kept[index].Sequence!;

    /// <summary>Reads conversations.</summary>
    /// <param name="paths">Files and directories, as for <see cref="DocumentSources.Find"/>; only <c>.jsonl</c> and <c>.jsonl.gz</c>.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="template">What renders them.</param>
    /// <param name="options">How long a sequence may be.</param>
    /// <param name="progress">Told the bytes read of the files.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="ArgumentException">There is no path.</exception>
    /// <exception cref="TrainingDataException">
    /// A line is malformed or has no message of the assistant, the template refuses it or renders it in a way that hides where answers begin or
    /// end, or there is no conversation within the length.
    /// </exception>
    /// <exception cref="NotSupportedException">The tokenizer has a normaliser, which moves places.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Conversations Read(
        IEnumerable<string> paths,
        CorpusTokenizer tokenizer,
        ChatTemplate template,
        ConversationOptions options,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Length, 1);
        List<string> others = [];
        IReadOnlyList<string> files = SourceFile.Find(paths, Kinds, others);
        ConversationEncoder encoder = new(tokenizer.Tokenizer, template, options, cancellationToken);
        List<Conversation> all = [];
        long total = files.Sum(file => new FileInfo(file).Length), done = 0;
        foreach (string file in files)
        {
            using SourceReader reader = new(file);
            while (reader.TryRead(encoder.Encode, out Conversation? read))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (read is not null)
                {
                    all.Add(read);
                    progress?.Report(new WorkProgress(done + reader.Position, total, file));
                }
            }

            done += reader.Position;
        }

        return all.Any(one => one.Sequence is not null)
            ? new Conversations(all, [.. others.Select(file => $"{file}: left out: no JSONL by its name"), .. Notes(all, options.Length)])
            : throw new TrainingDataException(
                SourceFile.Name(files), $"expected conversations with an answer within {options.Length} tokens, found none of {all.Count}");
    }

    /// <inheritdoc/>
    public long TextBytes(int index) => _kept[index].TextBytes;

    /// <summary>What <see cref="ValidationSplit.Hash"/> gives for the JSON of the messages of a conversation, without white space.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    public ulong Hash(int index) => _kept[index].Hash;

    private static IEnumerable<string> Notes(List<Conversation> all, int length)
    {
        int truncated = all.Count(one => one.IsTruncated), dropped = all.Count(one => one.Sequence is null);
        if (truncated > 0)
        {
            yield return $"{truncated} of {all.Count} conversations are longer than {length} tokens; what lies behind is left out";
        }

        if (dropped > 0)
        {
            yield return $"{dropped} of {all.Count} conversations have no answer within {length} tokens and are left out";
        }

        if (!all.Any(one => one.EndsTurns))
        {
            yield return "the chat template puts no control token after answers; the model does not learn where to stop";
        }
    }
}
