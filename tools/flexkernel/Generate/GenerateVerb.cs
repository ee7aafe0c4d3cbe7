using System.CommandLine;
using System.Diagnostics;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Generation;
using FlexKernel.Model;

namespace FlexKernel.Cli.Generate;

/// <summary>Continues a text.</summary>
internal sealed class GenerateVerb : Verb
{
    private const int DefaultMaxTokens = 256;

    private readonly PromptSource _prompt;
    private readonly ModelOptions _model;
    private readonly SamplerOptions _sampler;
    private readonly ExpertOptions _experts;
    private readonly DraftOptions _draft;

    private readonly Option<int?> _maxTokens = OptionFactory.Value(
        "--max-tokens", $"Most tokens to write; {DefaultMaxTokens} by default", "N", Parsers.Integer(1));

    private readonly Option<string[]> _stop = OptionFactory.Texts("--stop", "End before this text; repeatable", "TEXT");
    private readonly Option<bool> _ignoreEnd = OptionFactory.Flag("--ignore-eos", "Write on after the model's end of text");
    private readonly Option<bool> _trace = OptionFactory.Flag("--trace", "Report how much of the work each expert did");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object per token, then a summary");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public GenerateVerb(Terminal terminal)
        : base("generate", "Continues a text, streaming it as it is written.", terminal)
    {
        _prompt = new PromptSource(this);
        Add(_maxTokens);
        Add(_stop);
        Add(_ignoreEnd);
        _model = new ModelOptions(this);
        _experts = new ExpertOptions(this);
        Add(_trace);
        _draft = new DraftOptions(this);
        _sampler = new SamplerOptions(this);
        Add(_json);
        Add(_quiet);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("--prompt \"The patient was\"", "continue a text with the model in models/"),
        new("--prompt \"def main(\" --greedy --max-tokens 60", "always the most likely token: the same text every time"),
        new("--prompt \"The patient was\" --exclude medical --trace", "without one expert, and who did the work instead"),
        new("--prompt \"Dear customer\" --adapter runs/support/adapter", "with what finetune learned"),
        new("--prompt \"The patient was\" --greedy --draft 4", "the public expert drafts four tokens at a time: the same text"),
        new("--model DIR --prompt-file FILE --stop \"Q:\" --json", "a prompt from a file, results for a program"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        GenerationOptions options = Read(parse);
        LanguageModelOptions loading = _model.Read(parse, options.Experts);
        string directory = _model.Directory(parse);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        Check(parse, description);
        string prompt = await _prompt.ReadAsync(parse, Terminal, cancellationToken);

        long start = Stopwatch.GetTimestamp();
        using LanguageModel model = await LongWork.LoadAsync(Terminal, directory, loading, parse.GetValue(_quiet), cancellationToken);
        double loadSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parse.GetValue(_json))
        {
            using JsonReport report = new(Terminal, model.Tokenizer);
            Run(model, prompt, options, report, loadSeconds, cancellationToken);
        }
        else
        {
            Run(model, prompt, options, new TextReport(Terminal, model.Tokenizer, parse.GetValue(_quiet)), loadSeconds, cancellationToken);
        }

        return ExitCode.Ok;
    }

    private static void Run(
        LanguageModel model,
        string prompt,
        GenerationOptions options,
        IGenerationReport report,
        double loadSeconds,
        CancellationToken cancellationToken)
    {
        using Generator generator = model.Start(model.EncodePrompt(prompt), options);
        report.Begin(prompt);
        long start = Stopwatch.GetTimestamp();
        double firstSeconds = 0;
        try
        {
            while (generator.Next(cancellationToken))
            {
                firstSeconds = generator.WrittenTokens == 1 ? Stopwatch.GetElapsedTime(start).TotalSeconds : firstSeconds;
                report.Add(generator);
            }
        }
        finally
        {
            // An interrupted text is summed up as well; nobody would read the summary of one that failed before its first token.
            if (generator.WrittenTokens > 0)
            {
                report.End(new GenerationSummary
                {
                    FinishReason = generator.FinishReason,
                    PromptTokens = generator.PromptTokens,
                    Tokens = generator.WrittenTokens,
                    Seed = generator.Seed,
                    Drafts = options.Speculation is null ? null : (generator.DraftedTokens, generator.AcceptedTokens),
                    IsGreedy = options.Sampling.IsGreedy,
                    LoadSeconds = loadSeconds,
                    PrefillSeconds = firstSeconds,
                    DecodeSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds - firstSeconds,
                    Experts = options.Trace is { } trace ? GenerationSummary.Shares(trace, model.Experts, generator.PromptTokens) : null,
                });
            }
        }
    }

    private GenerationOptions Read(ParseResult parse) => new()
    {
        MaxTokens = parse.GetValue(_maxTokens) ?? DefaultMaxTokens,
        Sampling = _sampler.Read(parse),
        StopStrings = parse.GetValue(_stop) ?? [],
        IgnoreEndOfSequence = parse.GetValue(_ignoreEnd),
        Experts = _experts.Selection(parse),
        ActiveExperts = _experts.ActiveExperts(parse),
        Trace = parse.GetValue(_trace) ? new RoutingTrace() : null,
        Speculation = _draft.Read(parse),
    };

    private void Check(ParseResult parse, ModelDescription description)
    {
        _experts.Check(parse, description);
        _draft.Check(parse, description, _experts.Selection(parse));
        if (description.Mixture is null && parse.GetValue(_trace))
        {
            throw CliException.Usage("the model is dense: it has no experts to trace");
        }
    }
}
