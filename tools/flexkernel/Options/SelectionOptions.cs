using System.Collections.Frozen;
using System.CommandLine;
using FlexKernel.Model;

namespace FlexKernel.Cli.Options;

/// <summary>Which experts, by what is left out or by what is kept.</summary>
internal sealed class SelectionOptions
{
    private readonly Option<string[]> _exclude;
    private readonly Option<string[]> _allow;

    /// <summary>Adds the options to a verb.</summary>
    /// <param name="command">The verb.</param>
    /// <param name="exclude">What leaving out means there.</param>
    /// <param name="allow">What keeping means there.</param>
    public SelectionOptions(Command command, string exclude, string allow)
    {
        _exclude = OptionFactory.List("--exclude", exclude, "NAME[,NAME]", Parsers.Name);
        _allow = OptionFactory.List("--allow", allow, "NAME[,NAME]", Parsers.Name);
        command.Add(_exclude);
        command.Add(_allow);
    }

    /// <summary>The experts asked for.</summary>
    public ExpertSelection Read(ParseResult parse) => new()
    {
        Allowed = parse.GetValue(_allow) is { Length: > 0 } allowed ? allowed.ToFrozenSet() : null,
        Excluded = (parse.GetValue(_exclude) ?? []).ToFrozenSet(),
    };
}
