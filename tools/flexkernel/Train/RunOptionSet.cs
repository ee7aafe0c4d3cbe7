using System.Collections.Immutable;
using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;
using FlexKernel.Training;
using FlexKernel.Training.Data;
using FlexKernel.Training.Optimizers;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>What all kinds of training ask for: texts, amounts, rates, and when to stop.</summary>
internal sealed class RunOptionSet
{
    private const int DefaultBatch = 16, DefaultWindow = 512;

    // AdamW's mean squares reach back so many steps; a twentieth of steps that a deadline cuts off may be more than the whole run.
    private const int MostWarmupBeforeDeadline = 20;
    private const double DefaultWarmupShare = 0.05, DefaultDecayShare = 0.5;

    private readonly Argument<string> _directory = new("RUN") { Description = "Directory of the run; new or empty unless --force" };

    private readonly Option<string[]> _data = OptionFactory.Texts(
        "--data", "Texts to learn from: folders, .txt, .txt.gz, .jsonl; may be repeated", "PATH");

    private readonly Option<int[]> _weights = OptionFactory.List(
        "--mix", "How often each --data comes, relative to the others; by default all texts are one set, each once per epoch", "N[,N]", Parsers.Integer(1));

    private readonly Option<string[]> _validation = OptionFactory.Texts(
        "--validation", "Texts to measure on; by default a share of the documents to learn from, chosen by hash, which is then not learned", "PATH");

    private readonly Option<float?> _validationShare = OptionFactory.Value(
        "--validation-share", "That share; 0.01 by default, 0 for none", "SHARE", Parsers.Number);

    private readonly Option<string?> _field = OptionFactory.Text("--field", "Member of JSON lines that holds the text; text by default", "NAME");

    private readonly Option<bool> _isolate = OptionFactory.Flag(
        "--isolate-documents", "Attention does not reach from one document into the one before it in the same window");

    private readonly Option<int?> _window = OptionFactory.Value(
        "--window", $"Tokens per sequence; {DefaultWindow} by default, or the model's positions if they are fewer", "N", Parsers.Integer(2));

    private readonly Option<int?> _batch = OptionFactory.Value("--batch", $"Sequences per step; {DefaultBatch} by default", "N", Parsers.Integer(1));
    private readonly Option<int?> _steps = OptionFactory.Value("--steps", "Steps; by default as many as read the texts once", "N", Parsers.Integer(1));
    private readonly Option<long?> _tokens = OptionFactory.Value("--tokens", "Tokens to learn from, instead of steps", "N", Parsers.Integer64);
    private readonly Option<float?> _rate = OptionFactory.Value("--rate", "Peak learning rate; by default one that suits optimizer and recipe", "R", Parsers.Number);
    private readonly Option<int?> _warmup = OptionFactory.Value("--warmup", "Steps to the peak; a twentieth by default, with a deadline at most 20", "N", Parsers.Integer(0));

    private readonly Option<RateDecay?> _schedule = OptionFactory.Value(
        "--schedule", "Way down from the peak: cosine, linear or wsd, which stays up for half of the steps; cosine by default", "NAME", ParseSchedule);

    private readonly Option<float?> _finalRate = OptionFactory.Value("--final-rate", "Last rate as a share of the peak; 0 by default", "SHARE", Parsers.Number);
    private readonly Option<float?> _decay = OptionFactory.Value("--weight-decay", "Decoupled decay of matrices; 0.01 for a base, 0.1 for routers, else 0", "L", Parsers.Number);
    private readonly Option<float?> _clip = OptionFactory.Value("--clip", "Largest norm of all gradients together; 1 by default", "NORM", Parsers.Number);
    private readonly Option<float?> _z = OptionFactory.Value("--z-loss", "Factor of squared logsumexp of the logits; 0 by default", "F", Parsers.Number);
    private readonly Option<float?> _routerZ = OptionFactory.Value("--router-z-loss", "The same for routers; 0 by default", "F", Parsers.Number);
    private readonly Option<float?> _balance = OptionFactory.Value("--load-balance", "Factor of the load-balancing loss of routers; 0 by default", "F", Parsers.Number);
    private readonly Option<long?> _seed = OptionFactory.Value("--seed", "Seed of first values and of the order of texts; 1 by default", "N", Parsers.Integer64);
    private readonly Option<long?> _first = OptionFactory.Value("--first-sequence", "Begin so far into that order; 0 by default", "N", Parsers.Integer64);

    private readonly Option<int?> _validationSteps = OptionFactory.Value(
        "--validation-steps", "Steps between two validations; 50 by default", "N", Parsers.Integer(1));

    private readonly Option<int?> _validationSequences = OptionFactory.Value(
        "--validation-sequences", "Most sequences of a validation; the first 200 by default", "N", Parsers.Integer(1));

    private readonly Option<TimeSpan?> _deadline = OptionFactory.Value(
        "--deadline", "Be complete after this training time, such as 20m: the rate then goes down earlier", "TIME", Parsers.Duration);

    private readonly Option<TensorType?> _type = OptionFactory.Value(
        "--type", "Store the resulting weights as bf16, f16 or f32; bf16 by default", "TYPE", Parsers.StoredType);

    private readonly Option<bool> _force = OptionFactory.Flag("--force", "Delete a run that is there");

    /// <summary>Adds the options to a verb.</summary>
    public RunOptionSet(Command command)
    {
        command.Add(_directory);
        foreach (Option option in (Option[])[
            _data, _weights, _validation, _validationShare, _field, _isolate, _window, _batch, _steps, _tokens, _rate, _warmup, _schedule, _finalRate, _decay, _clip,
            _z, _routerZ, _balance, _seed, _first, _validationSteps, _validationSequences, _deadline, _type, _force])
        {
            command.Add(option);
        }

        Pieces = new PieceOptions(command);
    }

    /// <summary>How this piece of the run is done.</summary>
    public PieceOptions Pieces { get; }

    /// <summary>The run's directory.</summary>
    public string Directory(ParseResult parse) => parse.GetRequiredValue(_directory);

    /// <summary>Refuses a directory that holds something, before long work.</summary>
    public void CheckDirectory(ParseResult parse) => RunDirectory.CheckFree(Directory(parse), Overwrite(parse));

    /// <summary>Whether a run that is there is deleted.</summary>
    public bool Overwrite(ParseResult parse) => parse.GetValue(_force);

    /// <summary>The seed.</summary>
    public ulong Seed(ParseResult parse) => (ulong)(parse.GetValue(_seed) ?? 1);

    /// <summary>The decay asked for, or what is usual.</summary>
    public double WeightDecay(ParseResult parse, double usual) => Positive(parse, _decay, orZero: true) ?? usual;

    /// <summary>The texts.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="positions">The longest sequence of the model.</param>
    /// <param name="isChat">Whether they are conversations.</param>
    /// <exception cref="CliException">None are named, or one is not there.</exception>
    public RunData Data(ParseResult parse, int positions, bool isChat = false)
    {
        string[] sources = parse.GetValue(_data) ?? [];
        if (sources.Length == 0)
        {
            throw CliException.Usage("--data: expected at least one folder or file with texts to learn from");
        }

        int[] weights = parse.GetValue(_weights) ?? [];
        if (weights.Length > 0 && weights.Length != sources.Length)
        {
            throw CliException.Usage($"--mix: expected a number for each of the {sources.Length} --data, found {weights.Length}");
        }

        if (isChat && weights.Length > 0)
        {
            throw CliException.Usage("--mix: expected plain texts; conversations are one set, each once per epoch");
        }

        int window = parse.GetValue(_window) ?? Math.Min(DefaultWindow, positions);
        if (window > positions)
        {
            throw CliException.Usage($"--window: expected at most the model's {positions} positions, found {window}");
        }

        return new RunData
        {
            Sources = [.. sources.Select(Existing)],
            Weights = [.. weights],
            Validation = [.. (parse.GetValue(_validation) ?? []).Select(Existing)],
            ValidationShare = Positive(parse, _validationShare, orZero: true) ?? ValidationSplit.DefaultShare,
            TextMember = parse.GetValue(_field) ?? "text",
            IsolateDocuments = parse.GetValue(_isolate),
            IsChat = isChat,
            Window = window,
        };
    }

    /// <summary>The definition of a run.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="recipe">Its name.</param>
    /// <param name="start">The model it begins with.</param>
    /// <param name="data">The texts, with their digests.</param>
    /// <param name="sequences">How many sequences there are to learn from.</param>
    /// <param name="rules">What trains.</param>
    /// <param name="usualRate">The peak rate unless another is asked for.</param>
    public RunDefinition Define(
        ParseResult parse, string recipe, string start, RunData data, int sequences, ImmutableArray<ParameterRule> rules, double usualRate)
    {
        int batch = parse.GetValue(_batch) ?? DefaultBatch;
        if (parse.GetValue(_steps) is not null && parse.GetValue(_tokens) is not null)
        {
            throw CliException.Usage("--steps and --tokens contradict each other; give one");
        }

        long perStep = (long)batch * data.Window;
        long steps = parse.GetValue(_steps) ?? (parse.GetValue(_tokens) is { } tokens ? (tokens + perStep - 1) / perStep : Math.Max(sequences / batch, 1));
        if (steps is < 1 or > int.MaxValue)
        {
            throw CliException.Usage($"--tokens: expected a number that makes 1 to {int.MaxValue} steps of {perStep} tokens, found {parse.GetValue(_tokens)}");
        }

        TimeSpan? deadline = parse.GetValue(_deadline);
        int warmup = parse.GetValue(_warmup) ?? (int)Math.Min(steps * DefaultWarmupShare, deadline is null ? double.MaxValue : MostWarmupBeforeDeadline);
        RateDecay decay = parse.GetValue(_schedule) ?? RateDecay.Cosine;
        LearningRateSchedule schedule = new()
        {
            Peak = Positive(parse, _rate) ?? usualRate,
            Steps = (int)steps,
            WarmupSteps = warmup,
            FinalFraction = Positive(parse, _finalRate, orZero: true) ?? 0,
            Decay = decay,
            DecaySteps = decay == RateDecay.WarmupStableDecay ? (int)Math.Clamp(steps * DefaultDecayShare, 1, Math.Max(steps - warmup, 1)) : 0,
        };
        if (warmup >= steps)
        {
            throw CliException.Usage($"--warmup: expected fewer than the {steps} steps of the run, found {warmup}");
        }

        return new RunDefinition
        {
            Recipe = recipe,
            Start = start,
            Data = data,
            Rules = rules,
            Schedule = schedule,
            Batch = batch,
            Loss = new LossWeights
            {
                Z = Positive(parse, _z, orZero: true) ?? 0,
                RouterZ = Positive(parse, _routerZ, orZero: true) ?? 0,
                LoadBalance = Positive(parse, _balance, orZero: true) ?? 0,
            },
            ClipNorm = Positive(parse, _clip) ?? 1,
            Seed = Seed(parse),
            FirstSequence = parse.GetValue(_first) ?? 0,
            ValidationSteps = parse.GetValue(_validationSteps) ?? 50,
            ValidationSequences = parse.GetValue(_validationSequences) ?? 200,
            Deadline = deadline,
            ResultType = parse.GetValue(_type) ?? TensorType.BF16,
        };
    }

    private static string Existing(string path) => Path.Exists(path)
        ? Path.GetFullPath(path)
        : throw CliException.NotLoaded($"{path}: expected a file or folder with texts, found nothing");

    private static double? Positive(ParseResult parse, Option<float?> option, bool orZero = false) => parse.GetValue(option) switch
    {
        null => null,
        { } value when float.IsFinite(value) && (value > 0 || (orZero && value == 0)) => (double)(decimal)value,
        { } value => throw CliException.Usage($"{option.Name}: expected a number {(orZero ? "from" : "above")} 0, found {value}"),
    };

    private static RateDecay ParseSchedule(string text) => text.ToLowerInvariant() switch
    {
        "cosine" => RateDecay.Cosine,
        "linear" => RateDecay.Linear,
        "wsd" => RateDecay.WarmupStableDecay,
        _ => throw new FormatException("cosine, linear or wsd"),
    };
}

/// <summary>How one piece of a run is done, which its result does not depend on.</summary>
internal sealed class PieceOptions
{
    private readonly Option<TimeSpan?> _checkpoints = OptionFactory.Value(
        "--checkpoint-every", "Time between two checkpoints; 5m by default", "TIME", Parsers.Duration);

    private readonly Option<TimeSpan?> _pause = OptionFactory.Value(
        "--pause-after", "Stop with a checkpoint after this time, to go on later with 'train resume'", "TIME", Parsers.Duration);

    private readonly Option<string?> _cache = OptionFactory.Text(
        "--cache-dir", "Keep the tokens of the texts in this directory; by default in the user's cache", "DIR");

    private readonly Option<bool> _recompute = OptionFactory.Flag(
        "--recompute", "Keep only the inputs of layers, and compute each layer twice: less memory, a third more time");

    private readonly EngineOptions _engine;
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object about the result");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    /// <summary>Adds the options to a verb.</summary>
    public PieceOptions(Command command)
    {
        command.Add(_checkpoints);
        command.Add(_pause);
        command.Add(_cache);
        command.Add(_recompute);
        _engine = new EngineOptions(command);
        command.Add(_json);
        command.Add(_quiet);
    }

    /// <summary>Whether the result is told to a program.</summary>
    public bool IsJson(ParseResult parse) => parse.GetValue(_json);

    /// <summary>Whether progress is shown.</summary>
    public bool IsQuiet(ParseResult parse) => parse.GetValue(_quiet);

    /// <summary>Where the tokens of texts are kept.</summary>
    public CorpusOptions Corpora(ParseResult parse) =>
        parse.GetValue(_cache) is { } directory ? new CorpusOptions { CacheDirectory = directory } : new CorpusOptions();

    /// <summary>The options of the piece.</summary>
    public RunOptions Read(ParseResult parse) => new()
    {
        Training = new TrainingOptions
        {
            Threads = _engine.Threads(parse),
            Path = _engine.Path(parse) ?? KernelPaths.Default,
            CheckpointLayers = parse.GetValue(_recompute),
        },
        CheckpointInterval = parse.GetValue(_checkpoints) ?? new RunOptions().CheckpointInterval,
        PauseAfter = parse.GetValue(_pause),
    };
}
