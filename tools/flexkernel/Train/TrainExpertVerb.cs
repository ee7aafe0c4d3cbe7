using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Model;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Trains one expert beside a frozen public model.</summary>
internal sealed class TrainExpertVerb : Verb
{
    private readonly RunOptionSet _run;
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<string?> _name = OptionFactory.Text("--name", "Name of the expert; that of the run's directory by default", "NAME");
    private readonly Option<int?> _rank = OptionFactory.Value("--rank", "Rank of a low-rank expert; without it a full one", "R", Parsers.Integer(1));
    private readonly OptimizerOption _optimizer;

    private readonly Option<string?> _publicExpert = OptionFactory.Text(
        "--public-expert", "Expert of a mixture that is the public one; the first by default", "NAME");

    private readonly Option<string[]> _publicTexts = OptionFactory.Texts(
        "--public", "Public texts, from which the router row of a dense public model begins", "PATH");

    private readonly Option<string?> _publicRow = OptionFactory.Text(
        "--public-embedding", "Public router row: a .npy of one vector, or of one per layer", "FILE");

    private readonly Option<string?> _row = OptionFactory.Text(
        "--embedding", "First router row of the expert: a .npy; by default what the model's routers read of the texts, on average", "FILE");

    private readonly Option<float?> _bias = OptionFactory.Value(
        "--router-bias", "Train a router bias too, from this value of at most 0; no bias by default", "B", Parsers.Number);

    public TrainExpertVerb(Terminal terminal)
        : base("expert", "Trains an expert beside a frozen public model, full or directly low-rank (FlexOlmo's hybrid of two experts).", terminal)
    {
        _run = new RunOptionSet(this);
        foreach (Option option in (Option[])[_model, _name, _rank])
        {
            Add(option);
        }

        _optimizer = new OptimizerOption(this, OptimizerKind.AdamW);
        foreach (Option option in (Option[])[_publicExpert, _publicTexts, _publicRow, _row, _bias])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("runs/law --model models --data law/ --name law", "a full expert for a folder of texts"),
        new("runs/law16 --data law.txt.gz --rank 16 --optimizer muon --deadline 20m", "one of rank 16, complete in 20 minutes"),
        new("runs/law --data law.jsonl --field body --validation law-valid.jsonl --tokens 1000000", "texts in JSON lines, measured on others"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string source = ModelLocator.Find(parse.GetValue(_model));
        ModelDescription model = ModelConfigReader.Read(Path.Combine(source, "config.json"));
        string? publicExpert = parse.GetValue(_publicExpert);
        RunData data = _run.Data(parse, model.MaxPositions);
        OptimizerKind optimizer = _optimizer.Read(parse);
        int rank = parse.GetValue(_rank) ?? 0;
        float? bias = Bias(parse);
        double decay = _run.WeightDecay(parse, 0);
        string name = ExpertName(parse, source, model);
        _run.CheckDirectory(parse);
        LanguageModelOptions engine = Engine(parse);
        float[][] publicRows = PublicRows(parse, source, model, data, engine, cancellationToken);
        using RunTexts texts = await RunRunner.OpenAsync(Terminal, data, source, _run.Pieces, parse, cancellationToken);
        data = texts.Identify(data);
        float[][] ownRows = parse.GetValue(_row) is { } row
            ? RouterRows.Read(row, model)
            : RouterRows.OfExpert(RouterRows.MeanInputs(source, publicExpert, texts.Training, engine, cancellationToken), publicRows);
        RunDefinition definition = _run.Define(
            parse, "expert", RunDirectory.StartName, data, texts.Training.Count, rules: [], Recipe.ExpertRate(optimizer, rank > 0));

        using RunDirectory directory = RunDirectory.Create(_run.Directory(parse), _run.Overwrite(parse));
        HybridOptions hybrid = new()
        {
            Name = name,
            Rank = rank,
            PublicExpert = publicExpert,
            PublicRows = publicRows,
            OwnRows = ownRows,
            Bias = bias,
            Seed = definition.Seed,
        };
        HybridModel.Write(directory.Start, source, hybrid, cancellationToken);
        ModelDescription started = ModelConfigReader.Read(Path.Combine(directory.Start, "config.json"));
        directory.Define(definition with { Rules = Recipe.Expert(started, optimizer, bias is not null, decay) });
        return await RunRunner.RunAsync(Terminal, directory, texts, _run.Pieces, parse, cancellationToken);
    }

    private string ExpertName(ParseResult parse, string source, ModelDescription model)
    {
        string name = parse.GetValue(_name) ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(_run.Directory(parse))));
        string other = model.Mixture is { } mixture ? mixture.Experts[RouterRows.PublicExpert(model, parse.GetValue(_publicExpert), source)].Name : "public";
        return name != other ? name : throw CliException.Usage($"--name: expected another name than the public expert's, found '{name}'");
    }

    private float? Bias(ParseResult parse) => parse.GetValue(_bias) switch
    {
        null => null,
        { } value when value <= 0 && float.IsFinite(value) => value,
        { } value => throw CliException.Usage($"--router-bias: expected a number of at most 0, found {value}"),
    };

    private LanguageModelOptions Engine(ParseResult parse)
    {
        RunOptions options = _run.Pieces.Read(parse);
        return new LanguageModelOptions { Threads = options.Training.Threads, Path = options.Training.Path };
    }

    private float[][] PublicRows(
        ParseResult parse, string source, ModelDescription model, RunData data, LanguageModelOptions engine, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_publicRow) is { } file)
        {
            return RouterRows.Read(file, model);
        }

        if (model.Mixture is not null)
        {
            return RouterRows.Of(source, RouterRows.PublicExpert(model, parse.GetValue(_publicExpert), source));
        }

        if (parse.GetValue(_publicTexts) is { Length: > 0 } paths)
        {
            using RunTexts texts = RunTexts.OpenAll(paths, data, source, _run.Pieces.Corpora(parse), cancellationToken);
            return RouterRows.OfPublic(RouterRows.MeanInputs(source, null, texts.Training, engine, cancellationToken));
        }

        throw CliException.Usage(
            "the public model is dense and has no router row: give --public TEXTS or --public-embedding FILE, the same for every expert that is to be merged with this one");
    }
}
