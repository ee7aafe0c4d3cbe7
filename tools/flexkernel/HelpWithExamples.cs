using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace FlexKernel.Cli;

/// <summary>The generated help of a command, then examples; for the program itself also the exit codes.</summary>
internal sealed class HelpWithExamples(Terminal terminal) : SynchronousCommandLineAction
{
    private const int PipedWidth = 120;
    private const int LeastWidth = 60;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        new HelpAction { MaxWidth = terminal.OutputIsTerminal ? Math.Max(terminal.Width, LeastWidth) : PipedWidth }.Invoke(parseResult);
        Command command = parseResult.CommandResult.Command;
        if (command is Verb verb)
        {
            WriteExamples(verb.FullName, verb.Examples);
        }
        else
        {
            IEnumerable<Verb> verbs = command.Subcommands.OfType<Verb>();
            WriteExamples("", [.. verbs.Select(v => v.Examples[0] with { Arguments = $"{v.Name} {v.Examples[0].Arguments}" })]);
            WriteExitCodes();
        }

        return ExitCode.Ok;
    }

    private void WriteExamples(string verb, IReadOnlyList<Example> examples)
    {
        terminal.Out.WriteLine("Examples:");
        foreach (Example example in examples)
        {
            terminal.Out.WriteLine($"  # {example.Purpose}");
            terminal.Out.WriteLine($"  {App.Name} {(verb.Length == 0 ? "" : $"{verb} ")}{example.Arguments}".TrimEnd());
        }

        terminal.Out.WriteLine();
    }

    private void WriteExitCodes()
    {
        terminal.Out.WriteLine("Exit codes:");
        foreach ((int code, string meaning) in ExitCode.All)
        {
            terminal.Out.WriteLine($"  {code,3}  {meaning}");
        }

        terminal.Out.WriteLine();
    }
}
