using System.CommandLine;

namespace FlexKernel.Cli.Bench;

/// <summary>The command line as it is kept beside figures: of paths only the last name, since the others mean nothing elsewhere.</summary>
internal static class CommandText
{
    /// <summary>The text of a command line.</summary>
    public static string Of(ParseResult parse) => string.Join(' ', parse.Tokens.Select(token => Shorten(token.Value)).Prepend(App.Name));

    /// <summary>One argument: <c>q8=/models/a.gguf</c> becomes <c>q8=a.gguf</c>.</summary>
    internal static string Shorten(string argument)
    {
        int name = argument.IndexOf('=', StringComparison.Ordinal) + 1;
        string value = argument[name..];
        string last = Path.IsPathRooted(value) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(value)) : value;
        return argument[..name] + (last.Contains(' ', StringComparison.Ordinal) ? $"'{last}'" : last);
    }
}
