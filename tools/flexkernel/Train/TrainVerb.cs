using System.CommandLine;

namespace FlexKernel.Cli.Train;

/// <summary>Trains models, experts and routers.</summary>
internal sealed class TrainVerb : Verb
{
    public TrainVerb(Terminal terminal)
        : base("train", "Trains base models, experts and routers; nothing leaves the machine.", terminal)
    {
        Add(new TrainBaseVerb(terminal));
        Add(new TrainExpertVerb(terminal));
        Add(new TrainRouterVerb(terminal));
        Add(new TrainResumeVerb(terminal));
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("expert runs/law --model models --data law.txt.gz --name law", "an expert for a folder or file of texts, beside a frozen public model"),
        new("resume runs/law", "go on after an interruption, to the same bits"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken) =>
        throw CliException.Usage($"train: expected one of {string.Join(", ", Subcommands.Select(verb => verb.Name))}; see {App.Name} train --help");
}
