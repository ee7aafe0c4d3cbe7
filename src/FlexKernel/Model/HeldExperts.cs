using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>Which experts of a stored mixture a selection needs: those it leaves to the router, and the bases these stand on.</summary>
internal sealed class HeldExperts
{
    private readonly MixtureDescription? _mixture;
    private readonly bool[] _available;
    private readonly bool[] _held;

    private HeldExperts(MixtureDescription? mixture, bool[] available, bool[] held)
    {
        _mixture = mixture;
        _available = available;
        _held = held;
    }

    /// <summary>True when nothing is left out.</summary>
    public bool IsAll => !_available.Contains(false);

    /// <summary>Resolves a selection.</summary>
    /// <param name="mixture">The stored mixture; null for a dense model, which has nothing to select.</param>
    /// <param name="selection">The selection.</param>
    /// <exception cref="ArgumentException">A name is unknown, no expert is left, or a kept one stands on an excluded one.</exception>
    public static HeldExperts Of(MixtureDescription? mixture, ExpertSelection selection)
    {
        if (mixture is null)
        {
            return selection == ExpertSelection.All
                ? new HeldExperts(null, [], [])
                : throw new ArgumentException("The model is dense: it has no experts to select.", nameof(selection));
        }

        string[] names = [.. mixture.Experts.Select(e => e.Name)];
        bool[] available = new bool[mixture.Count], held = new bool[mixture.Count];
        HashSet<int> excluded = [.. selection.Excluded.Select(name => ExpertNames.Find(names, name))];
        foreach (int expert in selection.Resolve(names))
        {
            available[expert] = held[expert] = true;
            for (int link = expert; !mixture.Experts[link].IsFull; link = mixture.Experts[link].Base)
            {
                held[mixture.Experts[link].Base] = true;
            }
        }

        HeldExperts result = new(mixture, available, held);
        return excluded.Order().FirstOrDefault(e => held[e], -1) is var missing and >= 0 ? throw result.IsNeeded(missing) : result;
    }

    /// <summary>Checks that no expert is held as a base alone.</summary>
    /// <exception cref="ArgumentException">One is.</exception>
    public void RequireAllAvailable()
    {
        int hidden = Enumerable.Range(0, _held.Length).FirstOrDefault(e => _held[e] && !_available[e], -1);
        if (hidden >= 0)
        {
            throw IsNeeded(hidden);
        }
    }

    /// <summary>True when the router may see the expert.</summary>
    public bool IsAvailable(int expert) => _available[expert];

    /// <summary>True when the expert's own tensors are needed, because it is available or the base of one that is.</summary>
    public bool IsHeld(int expert) => _held[expert];

    private ArgumentException IsNeeded(int expert)
    {
        ImmutableArray<ExpertDescription> experts = _mixture!.Experts;
        IEnumerable<ExpertDescription> dependants = experts.Where(e => _available[e.Index] && StandsOn(e));
        string names = string.Join(", ", dependants.Select(e => $"'{e.Name}'").Take(8));
        return new ArgumentException(
            $"Expert '{experts[expert].Name}' cannot be left out: {names}, kept, need it as their base. Keep it, or leave them out too.");

        bool StandsOn(ExpertDescription e) => !e.IsFull && (e.Base == expert || StandsOn(experts[e.Base]));
    }
}
