using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Generate;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Cli.Route.Page;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;

namespace FlexKernel.Cli.Route;

/// <summary>Shows which experts work on which tokens of a text.</summary>
internal sealed class RouteVerb : Verb
{
    private readonly PromptSource _text;
    private readonly Option<int?> _generate = OptionFactory.Value(
        "--generate", "Let the model continue the text by at most N tokens, and show those too", "N", Parsers.Integer(1));

    private readonly Option<string?> _html = OptionFactory.Text("--html", "Write a page with the heat map of tokens and layers", "FILE");
    private readonly ModelOptions _model;
    private readonly ExpertOptions _experts;
    private readonly SamplerOptions _sampler;
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object: every token, and in every layer its experts and weights");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public RouteVerb(Terminal terminal)
        : base("route", "Shows which experts work on which tokens of a text.", terminal)
    {
        _text = new PromptSource(this, "text", "--text", "--file", "The text to read");
        Add(_generate);
        Add(_html);
        _model = new ModelOptions(this);
        _experts = new ExpertOptions(this);
        _sampler = new SamplerOptions(this, reportsLogProbs: false);
        Add(_json);
        Add(_quiet);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("--text \"The patient signed the contract\"", "paint every token in the colour of its leading expert"),
        new("--text \"def main(\" --generate 40 --greedy --html routes.html", "a page with the heat map, of a text and its continuation"),
        new("--file models/README.md --exclude code --json", "who steps in for an expert, for a program"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        LanguageModelOptions loading = _model.Read(parse, _experts.Selection(parse));
        string directory = _model.Directory(parse);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        GenerationOptions? writing = Read(parse);
        Check(parse, description);
        string prompt = await _text.ReadAsync(parse, Terminal, cancellationToken);
        bool isQuiet = parse.GetValue(_quiet);

        using LanguageModel model = await LongWork.LoadAsync(Terminal, directory, loading, isQuiet, cancellationToken);
        RoutedText text = await RouteAsync(parse, model, prompt, writing, directory, cancellationToken);
        if (parse.GetValue(_html) is { } file)
        {
            DurableFile.Write(file, stream => RoutePage.Write(text, stream));
        }

        if (parse.GetValue(_json))
        {
            RouteJson.Write(text, Terminal.Out);
        }
        else
        {
            new TextRoute(Terminal).Write(text);
        }

        if (!isQuiet)
        {
            Terminal.Note(Closing(text, parse.GetValue(_html)));
        }

        return ExitCode.Ok;
    }

    private async Task<RoutedText> RouteAsync(
        ParseResult parse, LanguageModel model, string prompt, GenerationOptions? writing, string directory, CancellationToken cancellationToken)
    {
        bool isQuiet = parse.GetValue(_quiet);
        ExpertSelection selection = _experts.Selection(parse);
        int[] ids = model.EncodePrompt(prompt);
        int promptTokens = ids.Length;
        string? drawing = null;
        if (writing is not null)
        {
            using Generator generator = model.Start(ids, writing);
            ids = await LongWork.RunAsync(
                Terminal, "writing", WorkUnit.Tokens, isQuiet, progress => Continue(generator, ids, writing, progress, cancellationToken));
            drawing = writing.Sampling.IsGreedy ? "greedy" : $"seed {generator.Seed}";
        }

        // Read again as a whole: so the last token, which is written but not yet read, has experts too, and results are the same bits.
        RoutingTrace trace = await LongWork.RunAsync(
            Terminal,
            "reading",
            WorkUnit.Tokens,
            isQuiet,
            progress => RoutingTrace.Read(model, ids, selection, _experts.ActiveExperts(parse), progress, cancellationToken));
        MixtureDescription mixture = model.Description.Mixture!;
        int[] usable = selection.Resolve(model.Experts);
        int active = Math.Min(_experts.ActiveExperts(parse) ?? mixture.ActiveExperts, usable.Length);
        string? adapter = _model.Adapter(parse) is { } path ? Name(path) : null;
        RouteSettings settings = new(Name(directory), adapter, promptTokens, active, usable, drawing);
        return new RoutedText(settings, model.Tokenizer, mixture, ids, trace);

        static string Name(string directory) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
    }

    private static int[] Continue(
        Generator generator, int[] prompt, GenerationOptions options, IProgress<WorkProgress> progress, CancellationToken cancellationToken)
    {
        List<int> ids = [.. prompt];
        while (generator.Next(cancellationToken))
        {
            ids.Add(generator.TokenId);
            progress.Report(new WorkProgress(generator.WrittenTokens, options.MaxTokens, ""));
        }

        return [.. ids];
    }

    private static string Closing(RoutedText text, string? page)
    {
        int written = text.Tokens.Count - text.Settings.PromptTokens;
        string tokens = written == 0
            ? Amounts.Of(text.Tokens.Count, "token")
            : $"{Amounts.Of(text.Settings.PromptTokens, "token")} given, {Amounts.Count(written)} written ({text.Settings.Drawing})";
        string layers = Amounts.Of(text.Routing.Layers, "layer");
        return $"{tokens}, {layers}, k = {text.Settings.ActiveExperts}{(page is null ? "" : $"; page: {page}")}";
    }

    private GenerationOptions? Read(ParseResult parse)
    {
        SamplingOptions sampling = _sampler.Read(parse);
        if (parse.GetValue(_generate) is { } tokens)
        {
            return new GenerationOptions
            {
                MaxTokens = tokens,
                Sampling = sampling,
                Experts = _experts.Selection(parse),
                ActiveExperts = _experts.ActiveExperts(parse),
            };
        }

        return _sampler.Given(parse) is { } option ? throw CliException.Usage($"{option} is for --generate N; add it") : null;
    }

    private void Check(ParseResult parse, ModelDescription description)
    {
        if (description.Mixture is null)
        {
            throw CliException.Usage("the model is dense: it has no experts to show");
        }

        _experts.Check(parse, description);
        if (parse.GetValue(_html) is { } file)
        {
            CheckPage(file);
        }
    }

    // Told before minutes are spent on a page that has no place.
    private static void CheckPage(string file)
    {
        string path = Path.GetFullPath(file);
        if (Directory.Exists(path))
        {
            throw CliException.Usage($"--html {file}: expected a file, it is a directory");
        }

        if (!Directory.Exists(Path.GetDirectoryName(path)))
        {
            throw CliException.NotLoaded($"--html {file}: directory '{Path.GetDirectoryName(path)}' does not exist");
        }
    }
}
