using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace FlexKernel.Adapters;

/// <summary>Chooses modules of a model by name, as PEFT does.</summary>
/// <remarks>A module's name is that of its tensors without the last part: <c>model.layers.0.self_attn.q_proj</c>.</remarks>
public sealed class ModuleSelection
{
    private const string AllLinearText = "all-linear";

    // A pattern comes from a file: one that backtracks for ever must end.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Regex? _regex;

    private ModuleSelection(ImmutableArray<string> names, string? pattern, bool isAllLinear = false)
    {
        Names = names;
        Pattern = pattern;
        IsAllLinear = isAllLinear;
        _regex = pattern is null || isAllLinear ? null : Whole(pattern);
    }

    /// <summary>Gets every projection of attention and of feed-forward networks, those of experts and their low-rank factors included;
    /// neither the router nor the head.</summary>
    public static ModuleSelection AllLinear { get; } = new([], AllLinearText, isAllLinear: true);

    /// <summary>Gets the names; empty for a pattern.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>Gets the regular expression, or <c>all-linear</c>; null for names.</summary>
    public string? Pattern { get; }

    /// <summary>Gets whether this is <see cref="AllLinear"/>.</summary>
    public bool IsAllLinear { get; }

    /// <summary>Chooses modules whose name is one of some names, or ends with one behind a dot.</summary>
    /// <param name="names">The names: <c>q_proj</c>, <c>mlp.down_proj</c>, <c>model.layers.0.self_attn.v_proj</c>.</param>
    /// <exception cref="ArgumentException">There is none, or one is empty.</exception>
    public static ModuleSelection OfNames(params IEnumerable<string> names)
    {
        ImmutableArray<string> all = [.. names];
        if (all.IsEmpty || all.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("Expected at least one name, none of them empty.", nameof(names));
        }

        return new ModuleSelection(all, null);
    }

    /// <summary>Chooses modules whose whole name matches a regular expression; <c>all-linear</c> in any case is <see cref="AllLinear"/>.</summary>
    /// <param name="pattern">The expression.</param>
    /// <exception cref="ArgumentException">It is not valid.</exception>
    public static ModuleSelection OfPattern(string pattern)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        return pattern.Equals(AllLinearText, StringComparison.OrdinalIgnoreCase) ? AllLinear : new ModuleSelection([], pattern);
    }

    /// <summary>Whether names or expression match a module; <see cref="AllLinear"/>, which asks for more than a name, matches none.</summary>
    /// <param name="module">The name of the module.</param>
    /// <exception cref="RegexMatchTimeoutException">The expression takes more than a second.</exception>
    public bool Matches(string module) => _regex?.IsMatch(module) ?? Names.Any(name => IsNamed(module, name));

    /// <summary>Whether a module has a name, whole or behind a dot.</summary>
    internal static bool IsNamed(string module, string name) =>
        module.EndsWith(name, StringComparison.Ordinal) && (module.Length == name.Length || module[^(name.Length + 1)] == '.');

    /// <summary>An expression that must match from the beginning, or from behind a dot, to the end: how PEFT reads the keys of its patterns.</summary>
    /// <exception cref="ArgumentException">It is not valid.</exception>
    internal static Regex Suffix(string pattern) => Whole($@"(?:.*\.)?(?:{pattern})");

    private static Regex Whole(string pattern) => new($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant, Patience);
}
