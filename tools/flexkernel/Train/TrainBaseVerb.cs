using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Conversion;
using FlexKernel.Model;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Trains a whole model, from random weights or on from a trained one.</summary>
internal sealed class TrainBaseVerb : Verb
{
    private const double UsualDecay = 0.01;

    private readonly RunOptionSet _run;
    private readonly ShapeOptions _shape;
    private readonly OptimizerOption _optimizer;

    private readonly Option<string?> _tokenizer = OptionFactory.Text(
        "--tokenizer", "Model directory whose tokenizer the new model uses", "DIR");

    private readonly Option<string?> _from = OptionFactory.Text("--from", "Go on from the weights of this model instead of random ones", "DIR");

    public TrainBaseVerb(Terminal terminal)
        : base("base", "Trains a whole model, from random weights or on from a trained one.", terminal)
    {
        _run = new RunOptionSet(this);
        Add(_from);
        Add(_tokenizer);
        _shape = new ShapeOptions(this);
        _optimizer = new OptimizerOption(this, OptimizerKind.Muon);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("runs/base --config models/config.json --tokenizer models --data texts/ --tokens 3000000", "a model of the shape of another one"),
        new("runs/more --from runs/base/model --data texts/ --first-sequence 10048 --rate 0.003", "go on with it, on the texts it has not read"),
        new("runs/small --shape tiny --vocab 8192 --tokenizer models --data notes.txt --deadline 10m", "a small one, complete in ten minutes"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string? from = parse.GetValue(_from);
        if (from is not null == _shape.IsGiven(parse))
        {
            throw CliException.Usage("give either --from MODEL, or --shape NAME or --config FILE with --tokenizer MODEL");
        }

        string tokenizer = from is not null ? ModelLocator.Find(from)
            : ModelLocator.Find(parse.GetValue(_tokenizer) ?? throw CliException.Usage("--tokenizer: expected the model directory whose tokenizer the new model uses"));
        ReadOnlyMemory<byte> config = from is null ? _shape.Config(parse, tokenizer) : default;
        ModelDescription model = from is null ? ModelConfigReader.Read(config, "config.json") : ModelConfigReader.Read(Path.Combine(from, "config.json"));
        RunData data = _run.Data(parse, model.MaxPositions);
        OptimizerKind optimizer = _optimizer.Read(parse);
        string start = from is null ? RunDirectory.StartName : Path.GetFullPath(from);

        // Options that contradict each other are told before a run is deleted.
        _ = Define(int.MaxValue);
        using RunDirectory directory = RunDirectory.Create(_run.Directory(parse), _run.Overwrite(parse));
        if (from is null)
        {
            SyntheticOptions options = new() { Type = TensorType.F32, Seed = _run.Seed(parse), TokenizerDirectory = tokenizer };
            SyntheticModel.Write(directory.Start, config, options, progress: null, cancellationToken);
        }

        using RunTexts texts = await RunRunner.OpenAsync(Terminal, data, Path.Combine(directory.Path, start), _run.Pieces, parse, cancellationToken);
        data = texts.Identify(data);
        directory.Define(Define(texts.Training.Count));
        return await RunRunner.RunAsync(Terminal, directory, texts, _run.Pieces, parse, cancellationToken);

        RunDefinition Define(int sequences) => _run.Define(
            parse, "base", start, data, sequences, Recipe.Base(model, optimizer, _run.WeightDecay(parse, UsualDecay)), Recipe.BaseRate(optimizer));
    }
}
