using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Packing;
using FlexKernel.Training.Data;

namespace FlexKernel.Cli.Packing;

/// <summary>Shows and deletes what is kept to be quick the next time: packed weights of <c>--cache</c>, and tokens of the texts that were trained on.</summary>
internal sealed class CacheVerb : Verb
{
    private const string ListAction = "list";
    private const string PurgeAction = "purge";

    private readonly Argument<string> _action = new("ACTION")
    {
        Description = "list, the default, or purge",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => ListAction,
    };

    private readonly Option<string?> _model = OptionFactory.Text("--model", "Purge the packed weights of this model directory only", "DIR");
    private readonly Option<string?> _directory = CacheOptions.Place("A cache that is not the user's: what --cache-dir named");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object per entry");

    public CacheVerb(Terminal terminal)
        : base("cache", "Lists and purges what is kept: packed weights of --cache, tokens of training texts.", terminal)
    {
        Add(_action);
        Add(_model);
        Add(_directory);
        Add(_json);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "what is kept, how large, and when it was last used"),
        new("purge --model models", "delete what was packed from one model"),
        new("purge", "delete everything"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string? directory = parse.GetValue(_directory);
        PackedWeightCache cache = CacheOptions.At(directory);
        IReadOnlyList<KeptCorpus> corpora = KeptCorpus.In(directory ?? CorpusOptions.DefaultCacheDirectory);
        string action = parse.GetValue(_action)!;
        string? model = parse.GetValue(_model);
        if (action is not (ListAction or PurgeAction))
        {
            throw CliException.Usage($"cache: expected {ListAction} or {PurgeAction}, found '{action}'");
        }

        if (action == ListAction && model is not null)
        {
            throw CliException.Usage($"cache: --model goes with {PurgeAction}");
        }

        ImmutableArray<PackedCacheEntry> stale = cache.DropStale();
        if (!stale.IsEmpty)
        {
            Terminal.Note($"deleted {Entries(stale)} of models that are gone or changed");
        }

        if (action == PurgeAction)
        {
            Terminal.Note($"deleted {Entries(cache.Purge(model))} from {cache.Directory}");
            if (model is null)
            {
                Purge(corpora);
            }

            return Task.FromResult(ExitCode.Ok);
        }

        ImmutableArray<PackedCacheEntry> entries = cache.Entries();
        if (parse.GetValue(_json))
        {
            WriteJson(entries, corpora);
        }
        else if (entries.IsEmpty && corpora.Count == 0)
        {
            Terminal.Note($"nothing in {directory ?? Path.GetDirectoryName(cache.Directory)}");
        }
        else
        {
            WriteTable(entries, corpora);
        }

        return Task.FromResult(ExitCode.Ok);
    }

    private static string Entries(ImmutableArray<PackedCacheEntry> entries)
    {
        string number = entries.Length == 1 ? "1 entry" : $"{entries.Length} entries";
        return $"{number}, {Amounts.Bytes(entries.Sum(e => e.Bytes))}";
    }

    private static string Time(DateTime time) => time.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

    private void Purge(IReadOnlyList<KeptCorpus> corpora)
    {
        foreach (KeptCorpus corpus in corpora)
        {
            corpus.Delete();
        }

        if (corpora.Count > 0)
        {
            string sets = corpora.Count == 1 ? "1 set" : $"{corpora.Count} sets";
            Terminal.Note($"deleted the tokens of {sets} of texts, {Amounts.Bytes(corpora.Sum(c => c.Bytes))}, from {Path.GetDirectoryName(corpora[0].Path)}");
        }
    }

    private void WriteTable(ImmutableArray<PackedCacheEntry> entries, IReadOnlyList<KeptCorpus> corpora)
    {
        foreach (PackedCacheEntry entry in entries)
        {
            string size = Amounts.Bytes(entry.Bytes).PadLeft(9);
            Terminal.Out.WriteLine(
                $"{size}  {Time(entry.LastUsed)}  {SafeText.ForTerminal(entry.ModelType)}  {SafeText.ForTerminal(entry.Formats)}  {SafeText.ForTerminal(entry.Model)}");
        }

        foreach (KeptCorpus corpus in corpora)
        {
            Terminal.Out.WriteLine($"{Amounts.Bytes(corpus.Bytes).PadLeft(9)}  {Time(corpus.Made)}  tokens of texts  {SafeText.ForTerminal(corpus.Path)}");
        }

        Terminal.Out.WriteLine($"{Amounts.Bytes(entries.Sum(e => e.Bytes) + corpora.Sum(c => c.Bytes)).PadLeft(9)}  in all");
    }

    private void WriteJson(ImmutableArray<PackedCacheEntry> entries, IReadOnlyList<KeptCorpus> corpora)
    {
        using JsonLines lines = new(Terminal.Out);
        foreach (PackedCacheEntry entry in entries)
        {
            lines.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("model"u8, entry.Model);
                json.WriteString("model_type"u8, entry.ModelType);
                json.WriteString("formats"u8, entry.Formats);
                json.WriteNumber("bytes"u8, entry.Bytes);
                json.WriteString("last_used"u8, entry.LastUsed);
                json.WriteString("directory"u8, entry.Directory);
                json.WriteEndObject();
            });
        }

        foreach (KeptCorpus corpus in corpora)
        {
            lines.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("tokens"u8, corpus.Path);
                json.WriteNumber("bytes"u8, corpus.Bytes);
                json.WriteString("made"u8, corpus.Made);
                json.WriteEndObject();
            });
        }
    }
}
