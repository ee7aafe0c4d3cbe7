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
