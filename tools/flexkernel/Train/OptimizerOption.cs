using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>The rule by which matrices move.</summary>
internal sealed class OptimizerOption
{
    private readonly OptimizerKind _usual;
    private readonly Option<OptimizerKind?> _option;

    /// <summary>Adds the option to a verb.</summary>
    /// <param name="command">The verb.</param>
    /// <param name="usual">The default.</param>
    public OptimizerOption(Command command, OptimizerKind usual)
    {
        _usual = usual;
        _option = OptionFactory.Value(
            "--optimizer", $"adamw, muon or adafactor for matrices; {usual.ToString().ToLowerInvariant()} by default", "NAME", Parse);
        command.Add(_option);
    }

    /// <summary>The rule asked for.</summary>
    public OptimizerKind Read(ParseResult parse) => parse.GetValue(_option) ?? _usual;

    private static OptimizerKind Parse(string text) =>
        Enum.TryParse(text, ignoreCase: true, out OptimizerKind kind) && !char.IsDigit(text[0]) ? kind : throw new FormatException("adamw, muon or adafactor");
}
