using System.CommandLine;
using FlexKernel.Model;

namespace FlexKernel.Cli.Options;

/// <summary>Which experts may run, and how many per token.</summary>
internal sealed class ExpertOptions
{
    private readonly Option<int?> _active = CommonOptions.ActiveExperts();

    private readonly SelectionOptions _selection;

    /// <summary>Adds the options to a verb.</summary>
    public ExpertOptions(Command command)
    {
        command.Add(_active);
        _selection = new SelectionOptions(
            command, "Experts the router must not see, by name or index", "The only experts the router may see, by name or index");
    }

    /// <summary>k as asked for, or null.</summary>
    public int? ActiveExperts(ParseResult parse) => parse.GetValue(_active);

    /// <summary>The experts asked for.</summary>
    public ExpertSelection Selection(ParseResult parse) => _selection.Read(parse);

    /// <summary>Checks against a model what was asked for, before minutes are spent on loading it.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="description">The model.</param>
    /// <exception cref="CliException">The model has no experts, or not that many.</exception>
    /// <exception cref="ArgumentException">An expert is unknown, or none is left.</exception>
    public void Check(ParseResult parse, ModelDescription description)
    {
        int? active = ActiveExperts(parse);
        ExpertSelection selection = Selection(parse);
        if (description.Mixture is not { } mixture)
        {
            if (active is not null || selection != ExpertSelection.All)
            {
                throw CliException.Usage("the model is dense: it has no experts for --k, --exclude or --allow");
            }

            return;
        }

        if (active > mixture.Count)
        {
            throw CliException.Usage($"--k is {active}; the model has {mixture.Count} experts");
        }

        selection.Resolve(ExpertCatalogue.Of(description));
    }
}
