using System.Collections.Frozen;
using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Distribution;
using FlexKernel.Model;

namespace FlexKernel.Cli.Pull;

/// <summary>Fetches a model, or only some experts of it.</summary>
internal sealed class PullVerb : Verb
{
    private const string TokenVariable = "FLEXKERNEL_TOKEN";
    private const int MostConnections = 16;
    private const int LongestTimeout = 3600;

    private readonly Argument<string> _source = new("SOURCE")
    {
        Description = "Directory of a model, or its address: https://…, file://…, http://… (of this machine only)",
    };

    private readonly Argument<string> _destination = new("DIR") { Description = "Directory to make" };

    private readonly Option<string[]> _experts = OptionFactory.List(
        "--experts", "Fetch these experts only, by name or index, and the bases they need", "NAME[,NAME]", Parsers.Name);

    private readonly Option<string[]> _exclude = OptionFactory.List(
        "--exclude", "Fetch all experts but these, by name or index", "NAME[,NAME]", Parsers.Name);

    private readonly Option<bool> _dryRun = OptionFactory.Flag("--dry-run", "Show what would be fetched, and fetch nothing");
    private readonly Option<bool> _force = OptionFactory.Flag("--force", "Replace the model in DIR, once the new one is whole");

    private readonly Option<string[]> _pins = OptionFactory.Texts(
        "--sha256", "The SHA-256 a file of the source must have; may be repeated", "FILE=HEX");

    private readonly Option<string?> _sums = OptionFactory.Text("--sums", "List of such sums, as sha256sum writes it", "FILE");

    private readonly Option<string[]> _headers = OptionFactory.Texts(
        "--header", $"Sent to the host of SOURCE only; a token may also lie in {TokenVariable}", "'NAME: VALUE'");

    private readonly Option<bool> _allowHttp = OptionFactory.Flag(
        "--allow-http", "Allow http to other machines: anybody on the way can read and change it");

    private readonly Option<int?> _connections = OptionFactory.Value(
        "--connections", "Requests at once; 4 by default", "N", Parsers.Integer(1, MostConnections));

    private readonly Option<int?> _timeout = OptionFactory.Value(
        "--timeout", "Seconds a server may be silent; 30 by default", "N", Parsers.Integer(1, LongestTimeout));

    private readonly Option<bool> _json = CommonOptions.Json("One JSON object");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public PullVerb(Terminal terminal)
        : base("pull", "Fetches a model from a directory or a web server, or only the experts that are wanted.", terminal)
    {
        Add(_source);
        Add(_destination);
        Add(_experts);
        Add(_exclude);
        Add(_dryRun);
        Add(_force);
        Add(_pins);
        Add(_sums);
        Add(_headers);
        Add(_allowHttp);
        Add(_connections);
        Add(_timeout);
        Add(_json);
        Add(_quiet);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("models /tmp/mine --experts code,medical --force", "a smaller model: two experts and the base of one of them"),
        new("models /tmp/mine --exclude legal --dry-run", "what that would transfer and save"),
        new("models /tmp/copy --force --json", "all of it, with digests for a program"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string source = parse.GetRequiredValue(_source), destination = parse.GetRequiredValue(_destination);
        bool isQuiet = parse.GetValue(_quiet);
        IPullReport report = parse.GetValue(_json) ? new JsonPullReport(Terminal) : new TextPullReport(Terminal, isQuiet);
        using ModelPull pull = await ModelPull.OpenAsync(source, ReadOptions(parse), cancellationToken);
        if (parse.GetValue(_dryRun))
        {
            report.Plan(pull.Plan);
            return ExitCode.Ok;
        }

        try
        {
            await LongWork.RunAsync(Terminal, "pulling", WorkUnit.Bytes, isQuiet, progress =>
            {
                pull.TransferAsync(destination, progress, cancellationToken).GetAwaiter().GetResult();
                return true;
            });
            PullReport result = await LongWork.RunAsync(
                Terminal, "checking", WorkUnit.Bytes, isQuiet, progress => pull.Complete(progress, cancellationToken));
            report.Result(pull.Plan, result);
            return ExitCode.Ok;
        }
        catch (Exception e) when (e is OperationCanceledException || e is PullException { Error: PullError.GaveUp })
        {
            Terminal.Note($"what has arrived is kept in {ModelPull.PartialPath(destination)}; the same command goes on from there");
            throw;
        }
    }

    private PullOptions ReadOptions(ParseResult parse)
    {
        PullOptions options = new()
        {
            Experts = new ExpertSelection
            {
                Allowed = parse.GetValue(_experts) is { Length: > 0 } experts ? experts.ToFrozenSet() : null,
                Excluded = (parse.GetValue(_exclude) ?? []).ToFrozenSet(),
            },
            Headers = Pairs(parse.GetValue(_headers), "--header", ':', "'NAME: VALUE'"),
            Token = Environment.GetEnvironmentVariable(TokenVariable),
            AllowHttp = parse.GetValue(_allowHttp),
            Replace = parse.GetValue(_force),
            Pins = Pairs(parse.GetValue(_pins), "--sha256", '=', "FILE=HEX with 64 hexadecimal digits"),
        };
        if (options.Pins.Values.Any(sum => !ChecksumList.IsSum(sum)))
        {
            throw CliException.Usage("--sha256: expected FILE=HEX with 64 hexadecimal digits");
        }

        return options with
        {
            Sums = parse.GetValue(_sums) is { } sums ? ChecksumList.Read(sums) : options.Sums,
            Connections = parse.GetValue(_connections) ?? options.Connections,
            ReadTimeout = parse.GetValue(_timeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : options.ReadTimeout,
        };
    }

    // Errors never show what was given: it may be a password.
    private static FrozenDictionary<string, string> Pairs(string[]? texts, string option, char separator, string expected)
    {
        Dictionary<string, string> pairs = new(StringComparer.Ordinal);
        foreach (string text in texts ?? [])
        {
            int at = text.IndexOf(separator, StringComparison.Ordinal);
            if (at <= 0 || !pairs.TryAdd(text[..at].Trim(), text[(at + 1)..].Trim()))
            {
                throw CliException.Usage($"{option}: expected {expected}, each name once");
            }
        }

        return pairs.ToFrozenDictionary();
    }
}
