using FlexKernel.Caching;
using FlexKernel.Model;

namespace FlexKernel.Evaluation.Batching;

/// <summary>A group that is being run: its sequences and how far they are.</summary>
/// <param name="group">The group.</param>
/// <param name="prefix">A new sequence; owned.</param>
/// <param name="width">How many branches may run beside each other.</param>
/// <param name="blocks">Cache blocks set aside for it.</param>
internal sealed class OpenGroup(BatchedGroup group, Sequence prefix, int width, int blocks) : IDisposable
{
    private readonly List<(BatchedBranch Branch, Sequence Sequence)> _open = [];
    private readonly List<(BatchedBranch Branch, int Rows)> _inPass = [];
    private int _started;

    /// <summary>Cache blocks set aside for it.</summary>
    public int Blocks => blocks;

    /// <summary>Whether all branches have ended.</summary>
    public bool HasEnded => _started == group.Branches.Count && _open.Count == 0;

    /// <summary>Tokens that could run now.</summary>
    public int Pending => prefix.Length < group.Prefix.Length
        ? group.Prefix.Length - prefix.Length
        : Math.Max(1, _open.Sum(branch => branch.Branch.Pending.Length));

    /// <summary>Adds what fits into the next pass.</summary>
    public void Fill(ForwardBatch batch)
    {
        _inPass.Clear();
        int room = batch.Capacity - batch.Count;
        if (room == 0)
        {
            return;
        }

        if (prefix.Length < group.Prefix.Length)
        {
            ReadOnlySpan<int> rest = group.Prefix.Span[prefix.Length..];
            batch.Add(prefix, rest[..Math.Min(rest.Length, room)], LogitRows.None);
            return;
        }

        while (_open.Count < width && _started < group.Branches.Count)
        {
            BatchedBranch branch = group.Branches[_started++];
            _open.Add((branch, group.Branches.Count == 1 ? prefix : prefix.Fork(prefix.Length)));
        }

        foreach ((BatchedBranch branch, Sequence sequence) in _open)
        {
            int count = Math.Min(branch.Pending.Length, batch.Capacity - batch.Count);
            if (count > 0)
            {
                batch.Add(sequence, branch.Pending[..count], LogitRows.All);
                _inPass.Add((branch, count));
            }
        }
    }

    /// <summary>Hands the logits of a pass to the branches; the sequences stay as they are.</summary>
    /// <param name="batch">The pass.</param>
    /// <param name="row">The first row of this group; moved behind its last.</param>
    public void Take(ForwardBatch batch, ref int row)
    {
        foreach ((BatchedBranch branch, int rows) in _inPass)
        {
            for (int i = 0; i < rows; i++)
            {
                branch.Take(batch.Logits(row++));
            }
        }
    }

    /// <summary>Gives the cache blocks of ended branches back.</summary>
    public void Close()
    {
        foreach ((_, Sequence sequence) in _open.Where(open => open.Branch.Pending.IsEmpty))
        {
            sequence.Dispose();
        }

        _open.RemoveAll(open => open.Branch.Pending.IsEmpty);
    }

    public void Dispose()
    {
        _open.ForEach(open => open.Sequence.Dispose());
        prefix.Dispose();
    }
}
