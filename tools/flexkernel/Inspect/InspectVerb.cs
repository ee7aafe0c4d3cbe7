using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Inspect;

/// <summary>Says what a model is and what it costs, from its headers.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string?> _path = new("PATH")
    {
        Description = "Model directory, weight file or config.json; by default 'models' here or above",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<int?> _active = CommonOptions.ActiveExperts("Show the costs of this many experts per token only");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object");

    public InspectVerb(Terminal terminal)
        : base("inspect", "Shows architecture, experts, parameters and bytes of a model without loading it.", terminal)
    {
        Add(_path);
        Add(_active);
        Add(_json);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "what is the model in models/, and who are its experts"),
        new("DIR --k 2", "what does it cost with two experts per token"),
        new("DIR/config.json --json", "exact counts from a configuration alone, for a program"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        int? active = parse.GetValue(_active);
        InspectedModel model = InspectionSource.Read(parse.GetValue(_path), active);
        if (parse.GetValue(_json))
        {
            using JsonLines lines = new(Terminal.Out);
            lines.Write(model.Inspection.ToJson);
        }
        else
        {
            new InspectReport(Terminal, model).Write(active);
        }

        return Task.FromResult(ExitCode.Ok);
    }
}
