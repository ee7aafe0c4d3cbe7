using System.Collections.Frozen;

namespace FlexKernel.Model;

/// <summary>Which experts one request may use. Names are expert names, or indices in digits.</summary>
public sealed record ExpertSelection
{
    /// <summary>No restriction: the router sees every expert.</summary>
    public static ExpertSelection All { get; } = new();

    /// <summary>The only experts the router may see; null: every expert that is not excluded.</summary>
    public FrozenSet<string>? Allowed { get; init; }

    /// <summary>Experts the router must not see, for example because their data owner opted out; wins over <see cref="Allowed"/>.</summary>
    public FrozenSet<string> Excluded { get; init; } = FrozenSet<string>.Empty;

    /// <summary>Lists the experts the router may see, as ascending indices; the others are absent, not masked.</summary>
    /// <param name="catalogue">The names of the loaded experts, in index order.</param>
    /// <exception cref="ArgumentException">A name is not in the catalogue, or no expert is left.</exception>
    public int[] Resolve(ReadOnlySpan<string> catalogue)
    {
        bool[] usable = new bool[catalogue.Length];
        Array.Fill(usable, Allowed is null);
        List<string> unknown = [];
        Mark(catalogue, Allowed ?? FrozenSet<string>.Empty, usable, true, unknown);
        Mark(catalogue, Excluded, usable, false, unknown);
        if (unknown.Count > 0)
        {
            unknown.Sort(StringComparer.Ordinal);
            string found = string.Join(", ", unknown.Take(8)), loaded = string.Join(", ", catalogue.ToArray().Take(64));
            throw new ArgumentException($"The selection names unknown experts: {found}. Loaded: {loaded}.", nameof(catalogue));
        }

        int[] indices = [.. Enumerable.Range(0, usable.Length).Where(e => usable[e])];
        return indices.Length > 0 ? indices : throw new ArgumentException("The selection leaves no expert.", nameof(catalogue));
    }

    /// <inheritdoc cref="Resolve(ReadOnlySpan{string})"/>
    /// <param name="catalogue">The loaded experts.</param>
    public int[] Resolve(ExpertCatalogue catalogue)
    {
        ArgumentNullException.ThrowIfNull(catalogue);
        return Resolve(catalogue.Names.AsSpan());
    }

    /// <summary>Lists the experts of a loaded model that the router may see, none of which was left out at load.</summary>
    /// <param name="mixture">The loaded mixture.</param>
    /// <returns>Ascending indices.</returns>
    /// <exception cref="ArgumentException">A name is unknown, an allowed expert was left out at load, or no expert is left.</exception>
    public int[] Resolve(MixtureDescription mixture)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        int[] indices = Resolve([.. mixture.Experts.Select(e => e.Name)]);
        string[] absent = [.. indices.Select(i => mixture.Experts[i]).Where(e => !e.IsAvailable).Select(e => e.Name)];
        if (Allowed is not null && absent.Length > 0)
        {
            string loaded = string.Join(", ", mixture.Experts.Where(e => e.IsAvailable).Select(e => e.Name).Take(64));
            throw new ArgumentException(
                $"The selection allows experts that the model was loaded without: {string.Join(", ", absent.Take(8))}. Loaded: {loaded}.",
                nameof(mixture));
        }

        int[] available = [.. indices.Where(i => mixture.Experts[i].IsAvailable)];
        return available.Length > 0
            ? available
            : throw new ArgumentException("The selection leaves none of the experts that the model was loaded with.", nameof(mixture));
    }

    /// <summary>Compares by value: the same names, in any order.</summary>
    /// <param name="other">The selection to compare with.</param>
    public bool Equals(ExpertSelection? other) =>
        other is not null
        && Excluded.SetEquals(other.Excluded)
        && (Allowed is null ? other.Allowed is null : other.Allowed is not null && Allowed.SetEquals(other.Allowed));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Allowed?.Count, Excluded.Count);

    private static void Mark(
        ReadOnlySpan<string> catalogue, FrozenSet<string> names, bool[] usable, bool value, List<string> unknown)
    {
        foreach (string name in names)
        {
            int expert = ExpertNames.Find(catalogue, name);
            if (expert < 0)
            {
                unknown.Add(name);
            }
            else
            {
                usable[expert] = value;
            }
        }
    }
}
