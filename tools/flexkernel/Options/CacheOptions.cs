using System.CommandLine;
using FlexKernel.Packing;

namespace FlexKernel.Cli.Options;

/// <summary>Whether packed weights are kept for the next load, and where.</summary>
internal sealed class CacheOptions
{
    private readonly Option<bool> _cache = OptionFactory.Flag(
        "--cache", "Keep the packed weights on disk, so that the next load reads them without packing");

    private readonly Option<string?> _directory = Place("Keep them in this directory instead of the user's cache; implies --cache");

    /// <summary>Adds the options to a verb.</summary>
    public CacheOptions(Command command)
    {
        command.Add(_cache);
        command.Add(_directory);
    }

    /// <summary>Where packed weights are kept.</summary>
    public static Option<string?> Place(string description) => OptionFactory.Text("--cache-dir", description, "DIR");

    /// <summary>The cache at a place, or at the usual one.</summary>
    public static PackedWeightCache At(string? directory) => new(directory ?? PackedWeightCache.DefaultDirectory);

    /// <summary>The cache asked for, or null.</summary>
    public PackedWeightCache? Read(ParseResult parse) =>
        parse.GetValue(_directory) is { } directory ? At(directory) : parse.GetValue(_cache) ? At(null) : null;
}
