using System.CommandLine;
using FlexKernel.Generation;
using FlexKernel.Model;

namespace FlexKernel.Cli.Options;

/// <summary>Whether the public expert drafts, and how much.</summary>
internal sealed class DraftOptions
{
    private readonly Option<int?> _draft = OptionFactory.Value(
        "--draft",
        $"Let the public expert draft N tokens at a time, 1 to {SpeculationOptions.MaxDraftTokens}, that all experts check in one pass; off by default",
        "N",
        Parsers.Integer(1, SpeculationOptions.MaxDraftTokens));

    private readonly Option<bool> _always = OptionFactory.Flag("--draft-always", "Draft on also while it does not pay");

    /// <summary>Adds the options to a verb.</summary>
    public DraftOptions(Command command)
    {
        command.Add(_draft);
        command.Add(_always);
    }

    /// <summary>What was asked for; null: no drafts.</summary>
    /// <exception cref="CliException">Options contradict each other.</exception>
    public SpeculationOptions? Read(ParseResult parse)
    {
        bool always = parse.GetValue(_always);
        if (parse.GetValue(_draft) is { } tokens)
        {
            return new SpeculationOptions { DraftTokens = tokens, WhileItPays = !always };
        }

        return always ? throw CliException.Usage("--draft-always says nothing without --draft N") : null;
    }

    /// <summary>Checks against a model what was asked for, before minutes are spent on loading it.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="description">The model.</param>
    /// <param name="experts">The experts that may write.</param>
    /// <exception cref="CliException">The model is dense, or the public expert may not write.</exception>
    public void Check(ParseResult parse, ModelDescription description, ExpertSelection experts)
    {
        if (Read(parse) is null)
        {
            return;
        }

        if (description.Mixture is not { } mixture)
        {
            throw CliException.Usage("the model is dense: --draft needs a mixture, whose public expert drafts");
        }

        if (!experts.Resolve(mixture).Contains(0))
        {
            throw CliException.Usage($"--draft drafts with the public expert '{mixture.Experts[0].Name}', which --allow or --exclude leaves out");
        }
    }
}
