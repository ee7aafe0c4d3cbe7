using System.CommandLine;
using System.Diagnostics;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Embeddings;
using FlexKernel.Model;

namespace FlexKernel.Cli.Embed;

/// <summary>Turns texts into vectors, and searches with them.</summary>
internal sealed class EmbedVerb : Verb
{
    private const int DefaultTop = 5;

    private readonly DocumentSource _source;
    private readonly EmbeddingOptionSet _embedding;
    private readonly ModelOptions _model;
    private readonly ExpertOptions _experts;

    private readonly Option<bool> _perExpert = OptionFactory.Flag("--per-expert", "Embed with each expert alone");
    private readonly Option<bool> _mean = OptionFactory.Flag("--mean", "Only the mean of all documents, for example a domain's vector");
    private readonly Option<string?> _out = OptionFactory.Text("--out", "Write to FILE.npy (float32) or FILE.jsonl", "FILE");

    private readonly Option<string?> _documents = OptionFactory.Text(
        "--documents", "Search this file: show the documents most like each text", "FILE");

    private readonly Option<int?> _top = OptionFactory.Value(
        "--top", $"With --documents: how many to show; {DefaultTop} by default", "N", Parsers.Integer(1));

    private readonly Option<bool> _json = CommonOptions.Json("One JSON object per embedding or query; the default unless a terminal reads");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public EmbedVerb(Terminal terminal)
        : base("embed", "Turns texts into vectors that are close when the texts are alike.", terminal)
    {
        _source = new DocumentSource(this);
        _embedding = new EmbeddingOptionSet(this);
        Add(_perExpert);
        Add(_mean);
        Add(_documents);
        Add(_top);
        Add(_out);
        _model = new ModelOptions(this);
        _experts = new ExpertOptions(this);
        Add(_json);
        Add(_quiet);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("\"The patient was given\" \"The court held that\" \"Der var engang\"", "how alike are some texts"),
        new("\"The patient was given\" --json", "the vector itself"),
        new("\"a function that sorts\" --documents README.md --top 3", "which lines of a file are most like a text"),
        new("--file README.md --mean --per-expert --out domain.npy", "a domain's vector by each expert, for NumPy"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        EmbeddingOptions options = _embedding.Read(parse) with
        {
            Experts = _experts.Selection(parse),
            ActiveExperts = _experts.ActiveExperts(parse),
        };
        LanguageModelOptions loading = _model.Read(parse, _experts.Selection(parse));
        string directory = _model.Directory(parse);
        Check(parse, ModelConfigReader.Read(Path.Combine(directory, "config.json")), options);
        string[] texts = await _source.ReadAsync(parse, Terminal, cancellationToken);
        string[] searched = parse.GetValue(_documents) is { } file ? await DocumentFile.ReadAsync(file, cancellationToken) : [];

        bool isQuiet = parse.GetValue(_quiet);
        using LanguageModel model = await LongWork.LoadAsync(Terminal, directory, loading, isQuiet, cancellationToken);
        int[][] documents = await LongWork.RunAsync(
            Terminal,
            "tokenizing",
            WorkUnit.Items,
            isQuiet,
            progress => Encode(model, [.. texts, .. searched], progress, cancellationToken));
        long start = Stopwatch.GetTimestamp();
        (string? Expert, float[][] Embeddings)[] experts = await LongWork.RunAsync(
            Terminal,
            "embedding",
            WorkUnit.Tokens,
            isQuiet,
            progress => Embed(new Embedder(model), documents, options, parse.GetValue(_perExpert), progress, cancellationToken));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (searched.Length > 0)
        {
            float[][] embeddings = experts[0].Embeddings;
            SearchReport report = new(Terminal, searched, embeddings[texts.Length..], parse.GetValue(_top) ?? DefaultTop);
            report.Write(texts, embeddings[..texts.Length], parse.GetValue(_json));
        }
        else
        {
            int? layers = options.Source == EmbeddingSource.RouterInput ? model.Description.LayerCount : null;
            Write(parse, EmbeddingRows.Arrange(experts, parse.GetValue(_mean), layers), texts, cancellationToken);
        }

        if (!isQuiet)
        {
            await Terminal.Out.FlushAsync(cancellationToken);
            Conclude(documents, experts.Length, model.Transformer.ContextLength, seconds);
        }

        return ExitCode.Ok;
    }

    private static int[][] Encode(
        LanguageModel model, string[] texts, IProgress<WorkProgress> progress, CancellationToken cancellationToken)
    {
        int[][] ids = new int[texts.Length][];
        for (int i = 0; i < ids.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ids[i] = model.EncodePrompt(texts[i]);
            progress.Report(new WorkProgress(i + 1, ids.Length, ""));
        }

        return ids;
    }

    private static (string? Expert, float[][] Embeddings)[] Embed(
        Embedder embedder,
        int[][] documents,
        EmbeddingOptions options,
        bool isPerExpert,
        IProgress<WorkProgress> progress,
        CancellationToken cancellationToken) => isPerExpert
            ? [.. embedder.EmbedPerExpert(documents, options, progress, cancellationToken).Select(e => ((string?)e.Expert, e.Embeddings))]
            : [(null, embedder.Embed(documents, options, progress, cancellationToken))];

    private void Check(ParseResult parse, ModelDescription description, EmbeddingOptions options)
    {
        _experts.Check(parse, description);
        bool isSearch = parse.GetValue(_documents) is not null, isPerExpert = parse.GetValue(_perExpert);
        if (isPerExpert && description.Mixture is null)
        {
            throw CliException.Usage("the model is dense: it has no experts for --per-expert");
        }

        if (isPerExpert && options.ActiveExperts is > 1)
        {
            throw CliException.Usage("--per-expert runs each expert alone; drop --k");
        }

        if (isSearch && (isPerExpert || parse.GetValue(_mean) || parse.GetValue(_out) is not null))
        {
            throw CliException.Usage("--documents searches; it goes without --per-expert, --mean and --out");
        }

        if (!isSearch && parse.GetValue(_top) is not null)
        {
            throw CliException.Usage("--top is for a search; add --documents FILE");
        }

        if (options.Dimensions > description.HiddenSize)
        {
            throw CliException.Usage($"--dimensions is {options.Dimensions}; the model has {description.HiddenSize}");
        }

        if (parse.GetValue(_out) is { } file)
        {
            EmbeddingOutput.Check(file);
        }
    }

    private void Write(ParseResult parse, EmbeddingRows embeddings, string[] texts, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_out) is { } file)
        {
            EmbeddingOutput.WriteFile(file, embeddings, cancellationToken);
        }

        if (parse.GetValue(_json) || (parse.GetValue(_out) is null && !Terminal.OutputIsTerminal))
        {
            EmbeddingOutput.WriteLines(Terminal.Out, embeddings, cancellationToken);
        }
        else if (parse.GetValue(_out) is null)
        {
            EmbeddingSummary.Write(Terminal, embeddings, texts);
        }
    }

    private void Conclude(int[][] documents, int runs, int context, double seconds)
    {
        long tokens = runs * documents.Sum(ids => (long)Math.Min(ids.Length, context));
        int cut = documents.Count(ids => ids.Length > context);
        string truncated = cut == 0 ? "" : $", {Amounts.Of(cut, "document")} cut to {Amounts.Of(context, "token")}";
        string rate = $"{Amounts.Of(tokens, "token")} at {Amounts.Digits(tokens / seconds)} tokens/s";
        Terminal.Note($"{Amounts.Of(documents.Length, "document")}, {rate}{truncated}");
    }
}
