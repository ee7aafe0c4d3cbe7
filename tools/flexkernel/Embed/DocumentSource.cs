using System.CommandLine;
using FlexKernel.Cli.Options;

namespace FlexKernel.Cli.Embed;

/// <summary>Where the documents come from: arguments, a file, or what is piped in.</summary>
internal sealed class DocumentSource
{
    private const string Missing = "no text: give it as argument, with --file FILE, or pipe it in";

    private readonly Argument<string[]> _texts = new("TEXT")
    {
        Description = "The documents, one per argument",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _file = OptionFactory.Text(
        "--file", "Read documents from a file: one per line, NUL-separated, or .jsonl with \"text\" members; .gz too", "FILE");

    /// <summary>Adds the options to a verb.</summary>
    public DocumentSource(Command command)
    {
        command.Add(_texts);
        command.Add(_file);
    }

    /// <summary>Reads the documents; at least one.</summary>
    /// <exception cref="CliException">There is none, more than one source, or a file is malformed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public async Task<string[]> ReadAsync(ParseResult parse, Terminal terminal, CancellationToken cancellationToken)
    {
        string[] texts = parse.GetValue(_texts) ?? [];
        string? file = parse.GetValue(_file);
        if (texts.Length > 0)
        {
            return file is null ? texts : throw CliException.Usage("texts and --file are both given; give one");
        }

        if (file is not null)
        {
            string[] read = await DocumentFile.ReadAsync(file, cancellationToken);
            return read.Length > 0 ? read : throw CliException.BadData($"'{file}' holds no document");
        }

        if (terminal.InputIsTerminal)
        {
            throw CliException.Usage(Missing);
        }

        string[] piped = DocumentFile.Split(await terminal.ReadAllAsync(cancellationToken));
        return piped.Length > 0 ? piped : throw CliException.Usage(Missing);
    }
}
