using System.CommandLine;
using FlexKernel.Cli.Options;

namespace FlexKernel.Cli.Generate;

/// <summary>Where the prompt comes from: an option, a file, or what is piped in.</summary>
internal sealed class PromptSource
{
    private readonly string _noun;
    private readonly Option<string?> _text;
    private readonly Option<string?> _file;

    /// <summary>Adds the options to a verb.</summary>
    /// <param name="command">The verb.</param>
    /// <param name="noun">What the text is called.</param>
    /// <param name="text">The option for the text itself.</param>
    /// <param name="file">The option for a file.</param>
    /// <param name="purpose">What the text is for.</param>
    public PromptSource(
        Command command,
        string noun = "prompt",
        string text = "--prompt",
        string file = "--prompt-file",
        string purpose = "The text to continue; empty begins a new text")
    {
        _noun = noun;
        _text = OptionFactory.Text(text, purpose, "TEXT");
        _file = OptionFactory.Text(file, $"Read the {noun} from a file, without its last line break", "FILE");
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
            throw CliException.Usage($"{_text.Name} and {_file.Name} are both given; give one");
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
            throw Missing();
        }

        string piped = await terminal.ReadAllAsync(cancellationToken);
        return piped.Length > 0 ? WithoutLastBreak(piped) : throw Missing();
    }

    private CliException Missing() => CliException.Usage($"no {_noun}: give {_text.Name} TEXT or {_file.Name} FILE, or pipe text in");

    // Editors and echo end a text with a line break that its author did not mean.
    private static string WithoutLastBreak(string text) =>
        text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
