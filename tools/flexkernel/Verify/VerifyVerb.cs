using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;
using FlexKernel.Training.Verification;
using FlexKernel.Verification;

namespace FlexKernel.Cli.Verify;

/// <summary>Compares the engine with reference values.</summary>
internal sealed class VerifyVerb : Verb
{
    private const string DataMark = "corpora";

    private readonly Argument<string> _directory = new("DIR") { Description = "Directory with reference cases, at any depth" };
    private readonly EngineOptions _engine;
    private readonly Option<bool> _allPaths = OptionFactory.Flag("--all-paths", "Once at every vector width of this processor");
    private readonly Option<string?> _data = OptionFactory.Text(
        "--data", $"Directory of large data ('{DataMark}'); by default the parent of DIR if it is there", "DIR");
    private readonly Option<string?> _filter = OptionFactory.Text("--filter", "Only cases whose path holds this text", "TEXT");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object per case, then a summary");

    public VerifyVerb(Terminal terminal)
        : base("verify", "Compares the engine with the values a reference computed.", terminal)
    {
        Add(_directory);
        _engine = new EngineOptions(this);
        Add(_allPaths);
        Add(_data);
        Add(_filter);
        Add(_json);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("tests/Fixtures", "every case below a directory, at the widest vectors"),
        new("tests/Fixtures --all-paths --filter flexmore", "some cases, at every vector width"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string directory = parse.GetRequiredValue(_directory);
        if (!Directory.Exists(directory))
        {
            throw CliException.NotLoaded($"directory '{directory}' does not exist");
        }

        string filter = parse.GetValue(_filter) ?? "";
        VerificationCase[] cases = [.. VerificationCase.Find(directory, TrainingCases.Kinds)
            .Where(c => Relative(directory, c).Contains(filter, StringComparison.OrdinalIgnoreCase))];
        if (cases.Length == 0)
        {
            string matching = filter.Length > 0 ? $" has '{filter}' in its path" : "";
            throw CliException.BadData($"no reference case below '{directory}'{matching}");
        }

        KernelPath[] paths = Paths(parse);
        string? data = Data(parse, directory);
        using IVerificationReport report = parse.GetValue(_json)
            ? new JsonVerificationReport(Terminal)
            : new TextVerificationReport(Terminal, cases.Max(c => Relative(directory, c).Length), showPath: paths.Length > 1);
        Dictionary<VerificationStatus, int> counts = Enum.GetValues<VerificationStatus>().ToDictionary(s => s, _ => 0);
        foreach (KernelPath path in paths)
        {
            foreach (VerificationCase item in cases)
            {
                VerificationResult result = item.Run(new VerificationOptions(path, _engine.Threads(parse), data), cancellationToken);
                counts[result.Status]++;
                report.Add(Relative(directory, item), item.Kind, path, result);
            }
        }

        report.End(counts[VerificationStatus.Passed], counts[VerificationStatus.Failed], counts[VerificationStatus.Skipped]);
        bool isSound = counts[VerificationStatus.Failed] == 0 && counts[VerificationStatus.Passed] > 0;
        return Task.FromResult(isSound ? ExitCode.Ok : ExitCode.Failed);
    }

    private KernelPath[] Paths(ParseResult parse)
    {
        KernelPath? path = _engine.Path(parse);
        if (!parse.GetValue(_allPaths))
        {
            return [path ?? KernelPaths.Default];
        }

        return path is null
            ? [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)]
            : throw CliException.Usage("--path and --all-paths contradict each other; give one");
    }

    private string? Data(ParseResult parse, string directory)
    {
        if (parse.GetValue(_data) is { } given)
        {
            return Directory.Exists(given) ? given : throw CliException.NotLoaded($"data directory '{given}' does not exist");
        }

        string? parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
        return parent is not null && Directory.Exists(Path.Combine(parent, DataMark)) ? parent : null;
    }

    private static string Relative(string directory, VerificationCase item)
    {
        string relative = Path.GetRelativePath(directory, item.Directory).Replace('\\', '/');
        return relative == "." ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory))) : relative;
    }
}
