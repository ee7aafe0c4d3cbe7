using FlexKernel.Model;

namespace FlexKernel.Evaluation.Batching;

/// <summary>Runs groups of sequences, as many beside each other as batch and cache hold. No result depends on which.</summary>
/// <param name="transformer">The model; other users of it may take turns.</param>
/// <param name="gate">Held around every use of it.</param>
/// <param name="selection">Which experts may run.</param>
/// <param name="activeExperts">How many experts run per token, or null for the model's own number.</param>
internal sealed class SequenceBatcher(Transformer transformer, Lock gate, ExpertSelection selection, int? activeExperts)
{
    /// <summary>Runs all groups to their ends.</summary>
    /// <param name="groups">The groups, taken as there is room.</param>
    /// <param name="onPass">Told the tokens of each pass.</param>
    /// <param name="cancellationToken">Looked at between passes.</param>
    /// <param name="onEnded">Told of each group that has ended, or null.</param>
    /// <exception cref="Caching.KvCacheFullException">The cache cannot hold one group.</exception>
    public void Run(IReadOnlyList<BatchedGroup> groups, Action<int> onPass, CancellationToken cancellationToken, Action? onEnded = null)
    {
        List<OpenGroup> open = [];
        int next = 0;
        using ForwardBatch batch = transformer.CreateBatch();
        int capacity;
        lock (gate)
        {
            capacity = transformer.FreeCacheBlocks;
        }

        try
        {
            while (next < groups.Count || open.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                lock (gate)
                {
                    Admit(groups, ref next, open, capacity);
                    Fill(batch, open);
                    transformer.Forward(batch);
                }

                int row = 0;
                open.ForEach(group => group.Take(batch, ref row));
                lock (gate)
                {
                    open.ForEach(group => group.Close());
                    open.FindAll(group => group.HasEnded).ForEach(group => group.Dispose());
                }

                onPass(batch.Count);
                for (int ended = open.RemoveAll(group => group.HasEnded); ended > 0; ended--)
                {
                    onEnded?.Invoke();
                }
            }
        }
        finally
        {
            lock (gate)
            {
                open.ForEach(group => group.Dispose());
            }
        }
    }

    private void Admit(IReadOnlyList<BatchedGroup> groups, ref int next, List<OpenGroup> open, int capacity)
    {
        int blockSize = transformer.CacheBlockSize, pending = open.Sum(group => group.Pending);
        int free = capacity - open.Sum(group => group.Blocks);
        while (next < groups.Count && pending < transformer.MaxBatchTokens)
        {
            BatchedGroup group = groups[next];
            int width = group.Branches.Count;
            while (width > 1 && group.BlocksOf(width, blockSize) > free)
            {
                width--;
            }

            // Alone it may try even if the cache looks too small: the error then tells the sizes.
            int blocks = group.BlocksOf(width, blockSize);
            if (blocks > free && open.Count > 0)
            {
                return;
            }

            open.Add(new OpenGroup(group, transformer.StartSequence(selection, activeExperts), width, blocks));
            pending += open[^1].Pending;
            free -= blocks;
            next++;
        }
    }

    private static void Fill(ForwardBatch batch, List<OpenGroup> open)
    {
        batch.Clear();
        open.ForEach(group => group.Fill(batch));
    }
}
