using FlexKernel.Conversion;

namespace FlexKernel.Training.Data;

/// <summary>
/// The order of <see cref="JoinedSets"/> in which each set has a fixed share of any run of sequences, whatever their sizes: with the weights 1
/// and 1, half of every batch of even size is of each. Each set is shuffled on its own, and begins its next epoch when it is through.
/// </summary>
public sealed class MixedOrder : ISequenceOrder
{
    private readonly (int First, WindowOrder Order, int Weight)[] _sets;

    // The set of each place of a period, and how many places before it in the period are the same set's.
    private readonly (int Set, int Before)[] _period;

    /// <summary>Creates an order.</summary>
    /// <param name="counts">The number of sequences of each set, in the order in which they are joined; each at least 1.</param>
    /// <param name="weights">
    /// Their weights, each at least 1, at most 1,000,000 together: of as many sequences in a row as the weights sum to, each set has its weight,
    /// spread evenly.
    /// </param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="ArgumentException">The weights are not as many as the sets, or one is out of range.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A set has no sequence.</exception>
    public MixedOrder(IReadOnlyList<int> counts, IReadOnlyList<int> weights, ulong seed)
    {
        const int LongestPeriod = 1_000_000;
        ArgumentNullException.ThrowIfNull(counts);
        ArgumentNullException.ThrowIfNull(weights);
        if (counts.Count == 0 || counts.Count != weights.Count || weights.Any(weight => weight < 1) || weights.Sum(weight => (long)weight) > LongestPeriod)
        {
            throw new ArgumentException(
                $"{counts.Count} sets have the weights [{string.Join(", ", weights)}], expected one for each, at least 1, at most {LongestPeriod} together.",
                nameof(weights));
        }

        int first = 0;
        _sets = new (int, WindowOrder, int)[counts.Count];
        for (int i = 0; i < _sets.Length; i++)
        {
            _sets[i] = (first, new WindowOrder(counts[i], CounterNoise.Mix(seed + (ulong)i)), weights[i]);
            first = checked(first + counts[i]);
        }

        _period = Spread([.. weights]);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The position is negative.</exception>
    public int At(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        (long periods, long place) = Math.DivRem(position, _period.Length);
        (int set, int before) = _period[place];
        (int first, WindowOrder order, int weight) = _sets[set];
        return first + order.At(periods * weight + before);
    }

    // Smooth weighted round robin: all gain their weight, the richest is next and pays the sum; the first of equals.
    private static (int Set, int Before)[] Spread(int[] weights)
    {
        int[] credit = new int[weights.Length], taken = new int[weights.Length];
        (int, int)[] period = new (int, int)[weights.Sum()];
        for (int place = 0; place < period.Length; place++)
        {
            int next = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                credit[i] += weights[i];
                next = credit[i] > credit[next] ? i : next;
            }

            credit[next] -= period.Length;
            period[place] = (next, taken[next]++);
        }

        return period;
    }
}
