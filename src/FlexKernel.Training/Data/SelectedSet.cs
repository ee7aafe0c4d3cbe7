using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace FlexKernel.Training.Data;

/// <summary>Some sequences of a set.</summary>
public sealed class SelectedSet : ITrainingSet
{
    private readonly ITrainingSet _set;
    private readonly int[] _indexes;

    /// <summary>Selects sequences.</summary>
    /// <param name="set">The set.</param>
    /// <param name="indexes">Their numbers in it, in the order they get.</param>
    public SelectedSet(ITrainingSet set, IReadOnlyList<int> indexes)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(indexes);
        _set = set;
        _indexes = [.. indexes];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{set.Digest} some\n"));
        hash.AppendData(MemoryMarshal.AsBytes<int>(_indexes));
        Digest = Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <inheritdoc/>
    public int Count => _indexes.Length;

    /// <inheritdoc/>
    public string Digest { get; }

    /// <inheritdoc/>
    public TrainingSequence this[int index] => _set[_indexes[index]];

    /// <inheritdoc/>
    public long TextBytes(int index) => _set.TextBytes(_indexes[index]);
}
