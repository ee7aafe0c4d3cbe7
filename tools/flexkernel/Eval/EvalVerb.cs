using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Evaluation;
using FlexKernel.Model;

namespace FlexKernel.Cli.Eval;

/// <summary>Measures how good a model is.</summary>
internal sealed class EvalVerb : Verb
{
    // Room for some dozens of sequences beside each other, whatever the model's own context.
    private const int CacheTokens = 4096;

    private readonly Argument<string[]> _files = new("FILE")
    {
        Description = "Texts (.txt, .txt.gz, documents separated by NUL) or questions (.jsonl, .jsonl.gz)",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly ModelOptions _model;
    private readonly ExpertOptions _experts;
    private readonly Option<EvaluationKind?> _kind = OptionFactory.Value(
        "--kind", "What the files hold: text, choice or exact; recognised by default", "KIND", Kind);

    private readonly Option<TextScoring?> _scoring = OptionFactory.Value(
        "--scoring",
        "Texts as one stream of documents in windows, or each on its own with rolling windows; stream by default",
        "stream|rolling",
        Scoring);

    private readonly Option<int?> _window = OptionFactory.Value(
        "--window", "Tokens per window; 256 for streams, the context for rolling windows by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _maxWindows = OptionFactory.Value(
        "--max-windows", "Most windows per file of texts", "N", Parsers.Integer(1));
    private readonly Option<int?> _limit = OptionFactory.Value(
        "--limit", "Most documents or questions per file", "N", Parsers.Integer(1));
    private readonly Option<int?> _maxTokens = OptionFactory.Value(
        "--max-tokens", "Most tokens of an answer; 64 by default", "N", Parsers.Integer(1));
    private readonly Option<string?> _out = OptionFactory.Text("--out", "Write the JSON report into this file", "FILE");
    private readonly Option<string?> _samples = OptionFactory.Text(
        "--samples", "Write the scores of every document and question into this file, as JSON lines", "FILE");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object with everything");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public EvalVerb(Terminal terminal)
        : base("eval", "Measures bits per byte of texts, choices by likelihood, and answers.", terminal)
    {
        Add(_files);
        _model = new ModelOptions(this);
        _experts = new ExpertOptions(this);
        foreach (Option option in (Option[])[_kind, _scoring, _window, _maxWindows, _limit, _maxTokens, _out, _samples, _json, _quiet])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("README.md", "bits per byte of a text with the model in models/"),
        new("README.md docs/cli.md --scoring rolling --window 512", "each text on its own, with as much context as 512 tokens allow"),
        new("letters.txt --adapter runs/style/adapter", "what an adapter gains on texts of its kind"),
        new("README.md --exclude code --json", "without one expert, results for a program"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string directory = _model.Directory(parse);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        _experts.Check(parse, description);
        LanguageModelOptions loading = Loading(parse, description);
        bool isQuiet = parse.GetValue(_quiet);
        EvaluationOptions options = new()
        {
            Experts = _experts.Selection(parse),
            ActiveExperts = _experts.ActiveExperts(parse) ?? description.Mixture?.ActiveExperts,
            Window = parse.GetValue(_window),
            MaxWindows = parse.GetValue(_maxWindows),
            MaxTokens = parse.GetValue(_maxTokens) ?? new EvaluationOptions().MaxTokens,
        };
        CheckDirectory(parse.GetValue(_out));
        CheckDirectory(parse.GetValue(_samples));
        int? limit = parse.GetValue(_limit);
        EvalTask[] tasks = [.. parse.GetRequiredValue(_files).Select(file => EvalTask.Read(file, parse.GetValue(_kind), limit))];
        using LanguageModel model = await LongWork.LoadAsync(Terminal, directory, loading, isQuiet, cancellationToken);
        Evaluator evaluator = new(model, options);
        TextScoring scoring = parse.GetValue(_scoring) ?? TextScoring.Stream;
        List<EvalResult> results = [];
        foreach (EvalTask task in tasks)
        {
            WorkUnit unit = task.Kind == EvaluationKind.ExactMatch ? WorkUnit.Items : WorkUnit.Tokens;
            results.Add(await LongWork.RunAsync(
                Terminal,
                SafeText.ForTerminal(Path.GetFileName(task.File)),
                unit,
                isQuiet,
                progress => EvalResult.Run(evaluator, task, scoring, progress, cancellationToken)));
        }

        EvalReport report = new(directory, loading.Loading.Adapter, options, limit, results);
        Write(parse, report);
        return ExitCode.Ok;
    }

    // All has been computed: from here on nothing is left half written.
    private void Write(ParseResult parse, EvalReport report)
    {
        WriteFile(parse.GetValue(_samples), writer => SampleLines.Write(writer, report.Results));
        WriteFile(parse.GetValue(_out), report.WriteJson);

        if (parse.GetValue(_json))
        {
            report.WriteJson(Terminal.Out);
        }
        else
        {
            EvalTables.Write(Terminal, report.Results);
        }
    }

    private static void WriteFile(string? path, Action<TextWriter> write)
    {
        if (path is null)
        {
            return;
        }

        DurableFile.Write(path, stream =>
        {
            using StreamWriter writer = new(stream, leaveOpen: true);
            write(writer);
        });
    }

    // An evaluation may take hours; what would fail after it should fail before.
    private static void CheckDirectory(string? path)
    {
        if (path is not null && Path.GetDirectoryName(Path.GetFullPath(path)) is var directory && !Directory.Exists(directory))
        {
            throw CliException.NotLoaded($"directory '{directory}' does not exist");
        }
    }

    private LanguageModelOptions Loading(ParseResult parse, ModelDescription description)
    {
        LanguageModelOptions loading = _model.Read(parse);
        int context = Math.Min(loading.Transformer.ContextLength ?? description.MaxPositions, description.MaxPositions);
        if (parse.GetValue(_window) > context)
        {
            throw CliException.Usage($"--window is {parse.GetValue(_window)}; the context holds {context} tokens");
        }

        return loading with { Transformer = loading.Transformer with { CacheTokens = Math.Max(context, CacheTokens) } };
    }

    private static EvaluationKind Kind(string text) => text.ToLowerInvariant() switch
    {
        "text" => EvaluationKind.Text,
        "choice" => EvaluationKind.Choice,
        "exact" => EvaluationKind.ExactMatch,
        _ => throw new FormatException("text, choice or exact"),
    };

    private static TextScoring Scoring(string text) => text.ToLowerInvariant() switch
    {
        "stream" => TextScoring.Stream,
        "rolling" => TextScoring.Rolling,
        _ => throw new FormatException("stream or rolling"),
    };
}
