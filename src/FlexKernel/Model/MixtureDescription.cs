using System.Collections.Immutable;
using System.Globalization;

namespace FlexKernel.Model;

/// <summary>The mixture of experts of every layer: softmax over all router logits, then the k most probable experts.</summary>
public sealed record MixtureDescription
{
    /// <summary>The number of experts per token, k; from 1 to <see cref="Count"/>.</summary>
    public required int ActiveExperts { get; init; }

    /// <summary>True when the weights of the chosen experts are divided by their sum.</summary>
    public required bool Renormalise { get; init; }

    /// <summary>The experts in index order.</summary>
    public required ImmutableArray<ExpertDescription> Experts { get; init; }

    /// <summary>The number of experts, E.</summary>
    public int Count => Experts.Length;

    /// <summary>Builds a mixture from the lists a checkpoint carries and checks it: lengths, ranges, names, and that every chain of
    /// bases ends in a full expert.</summary>
    /// <param name="source">The file named in errors.</param>
    /// <param name="activeExperts">The number of experts per token.</param>
    /// <param name="renormalise">Whether the chosen weights are divided by their sum.</param>
    /// <param name="ranks">One rank per expert, 0 for a full one; its length is the number of experts.</param>
    /// <param name="alphas">One alpha per expert, ignored for full ones; default: every scale is 1.</param>
    /// <param name="bases">One base index per expert, ignored for full ones; default: expert 0.</param>
    /// <param name="names">One name per expert; default: the index in digits.</param>
    /// <exception cref="ModelConfigException">A list is invalid; the key is that of <c>config.json</c>, as <c>expert_bases</c>.</exception>
    public static MixtureDescription Create(
        string source,
        int activeExperts,
        bool renormalise,
        ImmutableArray<int> ranks,
        ImmutableArray<double> alphas = default,
        ImmutableArray<int> bases = default,
        ImmutableArray<string> names = default)
    {
        int count = ranks.IsDefault ? 0 : ranks.Length;
        if (count is < 1 or > ModelLimits.Experts)
        {
            throw new ModelConfigException(source, "num_experts", $"1 to {ModelLimits.Experts}", $"{count}");
        }

        if (activeExperts < 1 || activeExperts > count)
        {
            throw new ModelConfigException(source, "num_experts_per_tok", $"1 to the number of experts, {count}", $"{activeExperts}");
        }

        CheckLength(source, "expert_alphas", alphas, count);
        CheckLength(source, "expert_bases", bases, count);
        CheckLength(source, "expert_names", names, count);
        CheckRanges(source, ranks, alphas, bases);
        ExpertNames.Check(source, names);

        int[] roots = ResolveRoots(source, ranks, bases);
        ImmutableArray<ExpertDescription>.Builder experts = ImmutableArray.CreateBuilder<ExpertDescription>(count);
        for (int e = 0; e < count; e++)
        {
            experts.Add(new ExpertDescription
            {
                Index = e,
                Name = names.IsDefault ? e.ToString(CultureInfo.InvariantCulture) : names[e],
                Rank = ranks[e],
                Scale = ranks[e] == 0 || alphas.IsDefault ? 1f : (float)(alphas[e] / ranks[e]),
                Base = BaseOf(e, ranks, bases),
                Root = roots[e],
            });
        }

        return new MixtureDescription { ActiveExperts = activeExperts, Renormalise = renormalise, Experts = experts.MoveToImmutable() };
    }

    /// <summary>Compares by value, expert by expert.</summary>
    /// <param name="other">The mixture to compare with.</param>
    public bool Equals(MixtureDescription? other) =>
        other is not null
        && ActiveExperts == other.ActiveExperts
        && Renormalise == other.Renormalise
        && Experts.AsSpan().SequenceEqual(other.Experts.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(ActiveExperts, Renormalise, Experts.Length);

    private static void CheckLength<T>(string source, string key, ImmutableArray<T> list, int count)
    {
        if (!list.IsDefault && list.Length != count)
        {
            throw new ModelConfigException(source, key, $"{count} entries, one per expert", $"{list.Length}");
        }
    }

    private static void CheckRanges(string source, ImmutableArray<int> ranks, ImmutableArray<double> alphas, ImmutableArray<int> bases)
    {
        for (int e = 0; e < ranks.Length; e++)
        {
            if (ranks[e] is < 0 or > ModelLimits.Rank)
            {
                throw Invalid(source, "expert_ranks", e, $"0 to {ModelLimits.Rank}", ranks[e]);
            }

            // Alphas and bases of full experts mean nothing; writers leave any value there.
            if (ranks[e] != 0 && !alphas.IsDefault && !float.IsFinite((float)alphas[e]))
            {
                throw Invalid(source, "expert_alphas", e, "a finite float32", alphas[e]);
            }

            if (ranks[e] != 0 && !bases.IsDefault && (bases[e] < 0 || bases[e] >= ranks.Length))
            {
                throw Invalid(source, "expert_bases", e, $"an expert index, 0 to {ranks.Length - 1}", bases[e]);
            }
        }
    }

    private static int[] ResolveRoots(string source, ImmutableArray<int> ranks, ImmutableArray<int> bases)
    {
        int[] roots = new int[ranks.Length];
        for (int e = 0; e < roots.Length; e++)
        {
            int end = e;
            long rank = 0;
            for (int steps = 0; ranks[end] != 0; steps++)
            {
                if (steps == ranks.Length)
                {
                    throw Invalid(source, "expert_bases", e, "a chain of bases that ends in a full expert", "a cycle of low-rank experts");
                }

                rank += ranks[end];
                end = BaseOf(end, ranks, bases);
            }

            // A chain is evaluated as one low-rank term whose rank is the sum of its links' ranks.
            if (rank > ModelLimits.Rank)
            {
                throw Invalid(source, "expert_ranks", e, $"a sum of at most {ModelLimits.Rank} along the chain of bases", rank);
            }

            roots[e] = end;
        }

        return roots;
    }

    private static int BaseOf(int expert, ImmutableArray<int> ranks, ImmutableArray<int> bases) =>
        ranks[expert] == 0 ? expert : bases.IsDefault ? 0 : bases[expert];

    private static ModelConfigException Invalid<T>(string source, string key, int expert, string expected, T found) =>
        new(source, key, expected, string.Create(CultureInfo.InvariantCulture, $"{found} for expert {expert}"));
}
