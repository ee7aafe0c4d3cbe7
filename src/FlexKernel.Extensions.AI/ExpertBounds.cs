using System.Collections.Frozen;
using FlexKernel.Model;

namespace FlexKernel.Extensions.AI;

/// <summary>Puts what a request asks of the experts inside what the client was given.</summary>
internal static class ExpertBounds
{
    /// <summary>The experts that both selections leave.</summary>
    /// <param name="bound">What the client may use at most.</param>
    /// <param name="wanted">What the request asks for.</param>
    /// <param name="catalogue">The experts of the model.</param>
    /// <exception cref="ArgumentException">A name is unknown, or no expert is left.</exception>
    public static ExpertSelection Within(ExpertSelection bound, ExpertSelection wanted, ExpertCatalogue catalogue)
    {
        if (bound == ExpertSelection.All || wanted == bound)
        {
            return wanted;
        }

        // Names may be indices in digits: only what they resolve to can be compared.
        int[] usable = bound.Resolve(catalogue);
        string[] left = [.. wanted.Resolve(catalogue).Intersect(usable).Select(expert => catalogue.Names[expert])];
        if (left.Length == 0)
        {
            string names = string.Join(", ", usable.Select(expert => catalogue.Names[expert]));
            throw new ArgumentException($"The request leaves none of the experts that this client may use: {names}.", nameof(wanted));
        }

        return new ExpertSelection { Allowed = left.ToFrozenSet() };
    }
}
