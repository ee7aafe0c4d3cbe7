using System.CommandLine;
using System.Text;
using System.Text.RegularExpressions;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;

namespace FlexKernel.Cli.Bench;

/// <summary>Makes the tables of documents from kept runs.</summary>
internal sealed partial class TablesVerb : Verb
{
    private readonly Argument<string> _directory = new("DIR") { Description = "Where bench --results keeps runs" };

    private readonly Option<string[]> _update = OptionFactory.Texts(
        "--update", "Replace what stands between <!-- bench: NAME --> and <!-- /bench --> in this document, instead of printing; repeatable", "FILE");

    public TablesVerb(Terminal terminal)
        : base("tables", $"Prints kept runs as tables, one column per kind of processor: {string.Join(", ", ResultTables.Names)}.", terminal)
    {
        Add(_directory);
        Add(_update);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("bench/results", "all tables"),
        new("bench/results --update README.md --update docs/performance.md", "the tables of the documents, made anew"),
    ];

    /// <summary>A document with its tables made anew.</summary>
    /// <exception cref="ArgumentException">It names a table that does not exist.</exception>
    public static string Update(string document, ResultTables tables) =>
        Marked().Replace(document, match => $"{match.Groups["open"].Value}\n{tables.Write(match.Groups["name"].Value)}{match.Groups["close"].Value}");

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        ResultTables tables = ResultTables.Read(parse.GetRequiredValue(_directory));
        if (parse.GetValue(_update) is not { Length: > 0 } files)
        {
            foreach (string name in ResultTables.Names)
            {
                Terminal.Out.WriteLine($"{name}:\n\n{tables.Write(name)}");
            }

            return ExitCode.Ok;
        }

        foreach (string file in files)
        {
            string document = await File.ReadAllTextAsync(file, cancellationToken);
            if (!Marked().IsMatch(document))
            {
                throw CliException.BadData($"{file}: expected <!-- bench: NAME --> and <!-- /bench -->, found neither");
            }

            byte[] updated = Encoding.UTF8.GetBytes(Update(document, tables));
            DurableFile.Write(file, stream => stream.Write(updated));
        }

        return ExitCode.Ok;
    }

    [GeneratedRegex(@"(?<open><!-- bench: (?<name>\w+) -->)\n.*?(?<close><!-- /bench -->)", RegexOptions.Singleline)]
    private static partial Regex Marked();
}
