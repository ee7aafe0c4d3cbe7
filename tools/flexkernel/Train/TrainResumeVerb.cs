using System.CommandLine;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Goes on with a run from its last checkpoint.</summary>
internal sealed class TrainResumeVerb : Verb
{
    private readonly Argument<string> _directory = new("RUN") { Description = "Directory of the run" };
    private readonly PieceOptions _pieces;

    public TrainResumeVerb(Terminal terminal)
        : base("resume", "Goes on with a run from its last checkpoint, to the same bits as without the interruption.", terminal)
    {
        Add(_directory);
        _pieces = new PieceOptions(this);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("runs/law", "after Ctrl-C, a crash or --pause-after; on another machine too"),
        new("runs/law --pause-after 25m --threads 1", "another piece of a long run"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        using RunDirectory directory = RunDirectory.Open(parse.GetRequiredValue(_directory));
        RunDefinition definition = directory.Read();
        using RunTexts texts = await RunRunner.OpenAsync(
            Terminal, definition.Data, Path.Combine(directory.Path, definition.Start), _pieces, parse, cancellationToken);
        return await RunRunner.RunAsync(Terminal, directory, texts, _pieces, parse, cancellationToken);
    }
}
