using System.CommandLine;
using FlexKernel.Cli.Options;

namespace FlexKernel.Cli.Generate;

/// <summary>Where the prompt comes from: an option, a file, or what is piped in.</summary>
internal sealed class PromptSource
{
    private const string Missing = "no prompt: give --prompt TEXT or --prompt-file FILE, or pipe text in";
    private readonly Option<string?> _text = OptionFactory.Text("--prompt", "The text to continue; empty begins a new text", "TEXT");
    private readonly Option<string?> _file = OptionFactory.Text(
        "--prompt-file", "Read the prompt from a file, without its last line break", "FILE");

    /// <summary>Adds the options to a verb.</summary>
    public PromptSource(Command command)
    {
        command.Add(_text);
        command.Add(_file);
    }

    /// <summary>Reads the prompt.</summary>
    /// <exception cref="CliException">There is none, or more than one.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public async Task<string> ReadAsync(ParseResult parse, Terminal terminal, CancellationToken cancellationToken)
    {
        string? text = parse.GetValue(_text), file = parse.GetValue(_file);
        if (text is not null && file is not null)
        {
            throw CliException.Usage("--prompt and --prompt-file are both given; give one");
        }

        if (text is not null)
        {
            return text;
        }

        if (file is not null)
        {
            return WithoutLastBreak(await File.ReadAllTextAsync(file, cancellationToken));
        }

        if (terminal.InputIsTerminal)
        {
            throw CliException.Usage(Missing);
        }

        string piped = await terminal.ReadAllAsync(cancellationToken);
        return piped.Length > 0 ? WithoutLastBreak(piped) : throw CliException.Usage(Missing);
    }

    // Editors and echo end a text with a line break that its author did not mean.
    private static string WithoutLastBreak(string text) =>
        text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
