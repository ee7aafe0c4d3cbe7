using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Packing;

namespace FlexKernel.Cli.Packing;

/// <summary>Shows and deletes the packed weights that <c>--cache</c> kept.</summary>
internal sealed class CacheVerb : Verb
{
    private const string List = "list";
    private const string Purge = "purge";

    private readonly Argument<string> _action = new("ACTION")
    {
        Description = "list, the default, or purge",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => List,
    };

    private readonly Option<string?> _model = OptionFactory.Text("--model", "Purge the entries of this model directory only", "DIR");
    private readonly Option<string?> _directory = CacheOptions.Place("The cache, instead of the user's");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object per entry");

    public CacheVerb(Terminal terminal)
        : base("cache", "Lists and purges the packed weights that --cache keeps.", terminal)
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
        PackedWeightCache cache = CacheOptions.At(parse.GetValue(_directory));
        string action = parse.GetValue(_action)!;
        string? model = parse.GetValue(_model);
        if (action is not (List or Purge))
        {
            throw CliException.Usage($"cache: expected {List} or {Purge}, found '{action}'");
        }

        if (action == List && model is not null)
        {
            throw CliException.Usage($"cache: --model goes with {Purge}");
        }

        ImmutableArray<PackedCacheEntry> stale = cache.DropStale();
        if (!stale.IsEmpty)
        {
            Terminal.Note($"deleted {Entries(stale)} of models that are gone or changed");
        }

        if (action == Purge)
        {
            Terminal.Note($"deleted {Entries(cache.Purge(model))} from {cache.Directory}");
            return Task.FromResult(ExitCode.Ok);
        }

        ImmutableArray<PackedCacheEntry> entries = cache.Entries();
        if (parse.GetValue(_json))
        {
            WriteJson(entries);
        }
        else if (entries.IsEmpty)
        {
            Terminal.Note($"nothing in {cache.Directory}");
        }
        else
        {
            WriteTable(entries);
        }

        return Task.FromResult(ExitCode.Ok);
    }

    private static string Entries(ImmutableArray<PackedCacheEntry> entries)
    {
        string number = entries.Length == 1 ? "1 entry" : $"{entries.Length} entries";
        return $"{number}, {Amounts.Bytes(entries.Sum(e => e.Bytes))}";
    }

    private static string Time(PackedCacheEntry entry) => entry.LastUsed.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

    private void WriteTable(ImmutableArray<PackedCacheEntry> entries)
    {
        foreach (PackedCacheEntry entry in entries)
        {
            string size = Amounts.Bytes(entry.Bytes).PadLeft(9);
            Terminal.Out.WriteLine(
                $"{size}  {Time(entry)}  {SafeText.ForTerminal(entry.ModelType)}  {SafeText.ForTerminal(entry.Formats)}  {SafeText.ForTerminal(entry.Model)}");
        }

        Terminal.Out.WriteLine($"{Amounts.Bytes(entries.Sum(e => e.Bytes)).PadLeft(9)}  in all");
    }

    private void WriteJson(ImmutableArray<PackedCacheEntry> entries)
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
    }
}
