using System.CommandLine;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Composition;

namespace FlexKernel.Cli.Inspect;

/// <summary>Says what a model is and what it costs, from its headers, or what its experts learned, from their weights.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string?> _path = new("PATH")
    {
        Description = "Model directory, weight file or config.json; by default 'models' here or above",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<int?> _active = CommonOptions.ActiveExperts("Show the costs of this many experts per token only");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object");

    private readonly Option<string?> _spectrum = new("--spectrum")
    {
        Description = "Singular values of what an expert learned, by name or index; by default of all but the base",
        HelpName = "EXPERT",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _base = OptionFactory.Text(
        "--base", "The full expert that --spectrum compares full experts with; by default the first", "EXPERT");

    private readonly Option<string?> _svg = OptionFactory.Text("--svg", "Draw the singular values of --spectrum as a picture (SVG)", "FILE");

    public InspectVerb(Terminal terminal)
        : base("inspect", "Shows architecture, experts, parameters and bytes of a model without loading it, or what its experts learned.", terminal)
    {
        Add(_path);
        Add(_active);
        Add(_json);
        Add(_spectrum);
        Add(_base);
        Add(_svg);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "what is the model in models/, and who are its experts"),
        new("DIR --k 2", "what does it cost with two experts per token"),
        new("DIR/config.json --json", "exact counts from a configuration alone, for a program"),
        new("--spectrum", "what rank would keep what each expert learned"),
        new("DIR --spectrum math --svg math.svg", "one expert, with a picture of its singular values"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        if (parse.GetResult(_spectrum) is not null)
        {
            await ShowSpectraAsync(parse, cancellationToken);
        }
        else if (parse.GetValue(_base) is not null || parse.GetValue(_svg) is not null)
        {
            throw CliException.Usage("--base and --svg go with --spectrum");
        }
        else
        {
            ShowModel(parse);
        }

        return ExitCode.Ok;
    }

    private void ShowModel(ParseResult parse)
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
    }

    private async Task ShowSpectraAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_active) is not null)
        {
            throw CliException.Usage("--k shows costs, --spectrum what experts learned; give one");
        }

        string path = parse.GetValue(_path) ?? ModelLocator.Find(null);
        InspectedModel model = InspectionSource.Read(path, activeExperts: null);
        if (!model.HasWeights)
        {
            throw CliException.NotLoaded($"'{path}' has no weights, which --spectrum needs");
        }

        IReadOnlyList<ExpertSpectrum> spectra = await LongWork.RunAsync(
            Terminal,
            $"matrices of {path}",
            WorkUnit.Items,
            isQuiet: false,
            progress => ExpertSpectrum.Read(path, parse.GetValue(_spectrum), parse.GetValue(_base), progress, cancellationToken));
        SpectrumReport report = new(path, model.Inspection.Description, spectra);
        if (parse.GetValue(_svg) is { } picture)
        {
            byte[] svg = Encoding.UTF8.GetBytes(SpectrumPicture.Draw(path, spectra));
            DurableFile.Write(picture, stream => stream.Write(svg));
        }

        if (parse.GetValue(_json))
        {
            using JsonLines lines = new(Terminal.Out);
            lines.Write(report.Write);
        }
        else
        {
            report.Write(Terminal);
        }
    }
}
