using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Model;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Trains the routers of a merged mixture on proxy texts.</summary>
internal sealed class TrainRouterVerb : Verb
{
    private const double UsualDecay = 0.1;

    private readonly RunOptionSet _run;
    private readonly Option<string?> _model = CommonOptions.Model();

    public TrainRouterVerb(Terminal terminal)
        : base("router", "Trains the routers of a merged mixture on proxy texts; afterwards opting out is no longer exact.", terminal)
    {
        _run = new RunOptionSet(this);
        Add(_model);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("runs/router --model merged --data proxies/ --steps 60", "all router rows, on texts like those of each expert"),
        new("runs/router --model merged --data public.txt --data law.txt --mix 3,1 --steps 60", "three public sequences for one of law"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string source = ModelLocator.Find(parse.GetValue(_model));
        ModelDescription model = ModelConfigReader.Read(Path.Combine(source, "config.json"));
        if (model.Mixture is null)
        {
            throw CliException.Usage($"{source}: expected a mixture of experts, found a dense model, which has no router");
        }

        RunData data = _run.Data(parse, model.MaxPositions);
        _run.CheckDirectory(parse);
        Terminal.Note("The tuned rows depend on all experts together: after this, removing an expert no longer gives the mixture that never had it (opt-out is not exact).");
        using RunTexts texts = await RunRunner.OpenAsync(Terminal, data, source, _run.Pieces, parse, cancellationToken);
        data = texts.Identify(data);
        RunDefinition definition = _run.Define(
            parse, "router", Path.GetFullPath(source), data, texts.Training.Count, Recipe.Routers(_run.WeightDecay(parse, UsualDecay)), Recipe.PeakRouterRate);
        using RunDirectory directory = RunDirectory.Create(_run.Directory(parse), _run.Overwrite(parse));
        directory.Define(definition with { EndsExactOptOut = true });
        return await RunRunner.RunAsync(Terminal, directory, texts, _run.Pieces, parse, cancellationToken);
    }
}
