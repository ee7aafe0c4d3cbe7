namespace FlexKernel.Model;

/// <summary>Exact smallest and largest cost of choosing k experts when an expert also needs its ancestors.</summary>
/// <remarks>
/// Experts form a forest: each points to the expert it is built on, a root to itself. A choice costs, for every chosen expert, its own
/// cost, and once for every expert that is chosen or has a chosen descendant its presence cost. Per subtree a table over the number
/// chosen is kept, and tables of siblings are combined: O(E^2) for all k together.
/// </remarks>
internal static class ExpertChoice
{
    /// <summary>Computes the ranges for k = 0 to E.</summary>
    /// <param name="parents">Per expert the one it is built on; its own index for a root. Without cycles.</param>
    /// <param name="presence">Per expert the cost, once, of being chosen or having a chosen descendant; not negative.</param>
    /// <param name="chosen">Per expert the cost of being chosen; not negative.</param>
    public static CountRange[] Ranges(ReadOnlySpan<int> parents, ReadOnlySpan<long> presence, ReadOnlySpan<long> chosen)
    {
        int count = parents.Length;
        CountRange[] forest = [default];
        CountRange[]?[] below = new CountRange[]?[count];
        foreach (int expert in DeepestFirst(parents))
        {
            CountRange[] subtree = Subtree(below[expert] ?? [default], presence[expert], chosen[expert]);
            below[expert] = null;
            if (parents[expert] == expert)
            {
                forest = Combine(forest, subtree);
            }
            else
            {
                ref CountRange[]? siblings = ref below[parents[expert]];
                siblings = Combine(siblings ?? [default], subtree);
            }
        }

        return forest;
    }

    private static int[] DeepestFirst(ReadOnlySpan<int> parents)
    {
        int[] order = new int[parents.Length], depths = new int[parents.Length];
        for (int e = 0; e < parents.Length; e++)
        {
            order[e] = e;
            for (int ancestor = e; parents[ancestor] != ancestor; ancestor = parents[ancestor])
            {
                depths[e]--;
            }
        }

        Array.Sort(depths, order);
        return order;
    }

    // below[j]: cost of choosing j among the descendants. The expert itself may be chosen or not.
    private static CountRange[] Subtree(CountRange[] below, long presence, long chosen)
    {
        CountRange[] table = new CountRange[below.Length + 1];
        for (int j = 1; j < table.Length; j++)
        {
            CountRange with = below[j - 1].Plus(chosen);
            CountRange without = j < below.Length ? below[j] : with;
            table[j] = new CountRange(Math.Min(with.Min, without.Min), Math.Max(with.Max, without.Max)).Plus(presence);
        }

        return table;
    }

    private static CountRange[] Combine(CountRange[] a, CountRange[] b)
    {
        CountRange[] table = new CountRange[a.Length + b.Length - 1];
        Array.Fill(table, new CountRange(long.MaxValue, 0));
        for (int i = 0; i < a.Length; i++)
        {
            for (int j = 0; j < b.Length; j++)
            {
                ref CountRange best = ref table[i + j];
                best = checked(new CountRange(Math.Min(best.Min, a[i].Min + b[j].Min), Math.Max(best.Max, a[i].Max + b[j].Max)));
            }
        }

        return table;
    }
}
