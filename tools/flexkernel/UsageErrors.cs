using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace FlexKernel.Cli;

/// <summary>Turns what the parser rejects into one line that says what would have been right.</summary>
internal static class UsageErrors
{
    /// <summary>Checks a command line before its verb runs.</summary>
    /// <exception cref="CliException">The command line is wrong.</exception>
    public static void ThrowIfAny(ParseResult parse)
    {
        Command command = parse.CommandResult.Command;
        if (parse.Action is ParseErrorAction)
        {
            throw Error(command, parse.UnmatchedTokens.Count > 0 ? Unmatched(command, parse.UnmatchedTokens[0]) : parse.Errors[0].Message);
        }

        if (parse.Action == command.Action && MisreadOption(parse) is { } option)
        {
            throw Error(command, Unmatched(command, option));
        }
    }

    private static CliException Error(Command command, string message)
    {
        string help = command is Verb verb ? $"{App.Name} {verb.FullName} --help" : $"{App.Name} --help";
        return CliException.Usage($"{message.TrimEnd('.')} (see {help})");
    }

    private static string Unmatched(Command command, string token)
    {
        if (command is not Verb)
        {
            return $"unknown verb '{token}'; expected {string.Join(", ", command.Subcommands.Select(c => c.Name))}";
        }

        return token.StartsWith('-')
            ? $"unknown option '{token}'; {command.Name} has {string.Join(", ", command.Options.Select(o => o.Name))}"
            : $"unexpected '{token}': {command.Name} takes options only; quote values that hold spaces";
    }

    // Where any text may stand, the parser takes a misspelt option for text; what follows -- is text indeed.
    private static string? MisreadOption(ParseResult parse)
    {
        int end = parse.Tokens.TakeWhile(t => t.Type != TokenType.DoubleDash).Count();
        HashSet<Token> text = [.. parse.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens)];
        return parse.Tokens.Take(end).FirstOrDefault(t => text.Contains(t) && LooksLikeOption(t.Value))?.Value;
    }

    private static bool LooksLikeOption(string text) => text.Length > 2 && text.StartsWith("--", StringComparison.Ordinal);
}
