using System.Security.Cryptography;
using System.Text;

namespace FlexKernel.Training.Data;

/// <summary>Several sets as one, the sequences of the first before those of the second.</summary>
public sealed class JoinedSets : ITrainingSet
{
    private readonly ITrainingSet[] _sets;

    /// <summary>Joins sets.</summary>
    /// <param name="sets">The sets; at least one.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    /// <exception cref="OverflowException">They have more than 2^31 − 1 sequences.</exception>
    public JoinedSets(IReadOnlyList<ITrainingSet> sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        _sets = sets.Count > 0 ? [.. sets] : throw new ArgumentException("There is no set to join.", nameof(sets));
        Count = _sets.Sum(set => set.Count);
        Digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', _sets.Select(set => set.Digest)))));
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public string Digest { get; }

    /// <inheritdoc/>
    public TrainingSequence this[int index]
    {
        get
        {
            (ITrainingSet set, int place) = Find(index);
            return set[place];
        }
    }

    /// <inheritdoc/>
    public long TextBytes(int index)
    {
        (ITrainingSet set, int place) = Find(index);
        return set.TextBytes(place);
    }

    private (ITrainingSet Set, int Place) Find(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        int set = 0;
        for (; index >= _sets[set].Count; set++)
        {
            index -= _sets[set].Count;
        }

        return (_sets[set], index);
    }
}
