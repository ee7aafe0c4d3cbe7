using FlexKernel.Chat;
using FlexKernel.Model;
using FlexKernel.Text;
using FlexKernel.Training.Data;

namespace FlexKernel.Training.Runs;

/// <summary>The texts of a run as sequences: those to learn from and those to measure on.</summary>
public sealed class RunTexts : IDisposable
{
    private readonly List<IDisposable> _opened = [];
    private readonly List<string> _notices = [];
    private int[] _counts = [];

    private RunTexts()
    {
    }

    /// <summary>The sequences to learn from.</summary>
    public ITrainingSet Training { get; private set; } = EmptySet.Instance;

    /// <summary>The sequences to measure on; none when nothing was kept for it.</summary>
    public ITrainingSet Validation { get; private set; } = EmptySet.Instance;

    /// <summary>The order in which they are learned from.</summary>
    /// <param name="definition">The run, with its seed and the weights of its sources.</param>
    public ISequenceOrder Order(RunDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return definition.Data.Weights.IsEmpty
            ? new WindowOrder(Training.Count, definition.Seed)
            : new MixedOrder(_counts, definition.Data.Weights, definition.Seed);
    }

    /// <summary>The description of these texts with their digests, by which a run that goes on knows them again.</summary>
    /// <param name="data">The description they were opened by.</param>
    public RunData Identify(RunData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return data with { TrainingDigest = Training.Digest, ValidationDigest = Validation.Digest };
    }

    /// <summary>What a user should know: files left out, a cache made anew.</summary>
    public IReadOnlyList<string> Notices => _notices;

    /// <summary>Opens the texts of a run; ids are made once and kept.</summary>
    /// <param name="data">Which.</param>
    /// <param name="modelDirectory">The model whose tokenizer reads them.</param>
    /// <param name="options">Where ids are kept.</param>
    /// <param name="progress">Told the bytes of text read.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="RunException">There are too few texts for one sequence.</exception>
    /// <exception cref="TrainingDataException">A text is malformed.</exception>
    public static RunTexts Open(
        RunData data, string modelDirectory, CorpusOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(modelDirectory);
        RunTexts texts = new();
        try
        {
            if (data.IsChat)
            {
                texts.FillWithConversations(data, modelDirectory, options, progress, cancellationToken);
            }
            else
            {
                texts.Fill(data, modelDirectory, options, progress, cancellationToken);
            }

            return texts;
        }
        catch
        {
            texts.Dispose();
            throw;
        }
    }

    /// <summary>Opens some texts as sequences that read all of them.</summary>
    /// <inheritdoc cref="Open"/>
    /// <param name="sources">The texts.</param>
    /// <param name="data">How they are read.</param>
    /// <param name="modelDirectory">The model whose tokenizer reads them.</param>
    /// <param name="options">Where ids are kept.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public static RunTexts OpenAll(
        IEnumerable<string> sources, RunData data, string modelDirectory, CorpusOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        RunData all = data with { Sources = [.. sources], Weights = [], Validation = [], ValidationShare = 0, IsChat = false };
        return Open(all, modelDirectory, options, progress: null, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _opened.ForEach(texts => texts.Dispose());

    private void Fill(RunData data, string modelDirectory, CorpusOptions? options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        CorpusTokenizer tokenizer = CorpusTokenizer.Load(Path.Combine(modelDirectory, "tokenizer.json"));
        ModelDescription model = ModelConfigReader.Read(Path.Combine(modelDirectory, "config.json"));
        PackingOptions packing = new()
        {
            Length = data.Window,
            Separator = Separator(tokenizer.Tokenizer, model, modelDirectory),
            IsolateDocuments = data.IsolateDocuments,
        };
        ValidationSplit? split = data.Validation.IsEmpty && data.ValidationShare > 0 ? new ValidationSplit(data.ValidationShare) : null;
        List<ITrainingSet> training = [], validation = [];
        foreach (string[] sources in data.Weights.IsEmpty ? [[.. data.Sources]] : data.Sources.Select(source => new[] { source }))
        {
            TokenCorpus corpus = Open(sources);
            (int[]? learned, int[] kept) = split is null ? (null, []) : split.Divide(corpus);
            PackedWindows packed = new(corpus, packing, learned);
            training.Add(packed);
            if (kept.Length > 0)
            {
                validation.Add(new PackedWindows(corpus, packing with { KeepLast = true }, kept));
            }

            if (packed.Count == 0)
            {
                string aside = kept.Length > 0 ? $", {kept.Length} of {corpus.Documents.Length} documents being kept for validation" : "";
                throw new RunException(
                    $"{string.Join(", ", sources)}: expected text for at least one sequence of {data.Window} tokens, found {packed.IdCount - 1}{aside}.");
            }
        }

        if (!data.Validation.IsEmpty)
        {
            validation.Add(new PackedWindows(Open(data.Validation), packing with { KeepLast = true }));
        }

        Training = Joined(training);
        Validation = validation.Count > 0 ? Joined(validation) : Validation;
        _counts = [.. training.Select(set => set.Count)];

        TokenCorpus Open(IEnumerable<string> sources)
        {
            TokenCorpus opened = TokenCorpus.Open(DocumentSources.Find(sources, data.TextMember), tokenizer, options, progress, cancellationToken);
            _opened.Add(opened);
            _notices.AddRange(opened.Notices);
            return opened;
        }
    }

    private void FillWithConversations(
        RunData data, string modelDirectory, CorpusOptions? options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        CorpusTokenizer tokenizer = CorpusTokenizer.Load(Path.Combine(modelDirectory, "tokenizer.json"));
        ChatTemplate template = ChatTemplate.Find(modelDirectory)
            ?? throw new RunException($"{modelDirectory}: expected a chat template (chat_template.jinja, or chat_template in tokenizer_config.json), found none.");
        Conversations all = Open(data.Sources);
        bool isSplit = data.Validation.IsEmpty && data.ValidationShare > 0;
        (int[] learned, int[] kept) = isSplit ? new ValidationSplit(data.ValidationShare).Divide(all) : ([.. Enumerable.Range(0, all.Count)], []);
        if (learned.Length == 0)
        {
            throw new RunException($"{string.Join(", ", data.Sources)}: expected at least one conversation to learn from, found {all.Count}, all of them kept for validation.");
        }

        Training = new SelectedSet(all, learned);
        Validation = !data.Validation.IsEmpty ? Open(data.Validation) : kept.Length > 0 ? new SelectedSet(all, kept) : Validation;
        _counts = [Training.Count];

        Conversations Open(IEnumerable<string> sources)
        {
            Conversations opened = Conversations.Open(
                sources, tokenizer, template, new ConversationOptions { Length = data.Window }, options, progress, cancellationToken);
            _opened.Add(opened);
            _notices.AddRange(opened.Notices);
            return opened;
        }
    }

    private static ITrainingSet Joined(List<ITrainingSet> sets) => sets is [ITrainingSet only] ? only : new JoinedSets(sets);

    private static int Separator(ByteLevelBpeTokenizer tokenizer, ModelDescription model, string directory)
    {
        int id = model.EndOfSequenceIds is [int first, ..] ? first
            : tokenizer.EosId ?? throw new RunException($"{directory}: neither config.json nor the tokenizer names the token that ends a text (eos_token_id).");
        return id < tokenizer.VocabularySize
            ? id
            : throw new RunException($"{directory}/config.json: expected an eos_token_id of the tokenizer, which has {tokenizer.VocabularySize} tokens, found {id}.");
    }

    private sealed class EmptySet : ITrainingSet
    {
        public static EmptySet Instance { get; } = new();

        public int Count => 0;

        public string Digest => "";

        public TrainingSequence this[int index] => throw new ArgumentOutOfRangeException(nameof(index));

        public long TextBytes(int index) => throw new ArgumentOutOfRangeException(nameof(index));
    }
}
