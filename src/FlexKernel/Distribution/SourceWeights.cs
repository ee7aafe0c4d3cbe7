using FlexKernel.Checkpoints;

namespace FlexKernel.Distribution;

/// <summary>A weight file of a source: its validated header, and nothing else of it.</summary>
/// <param name="File">The file.</param>
/// <param name="Header">Its tensors.</param>
/// <param name="DataStart">The bytes in front of them.</param>
internal sealed record SourceShard(SourceFile File, SafetensorsHeader Header, long DataStart);

/// <summary>The weights of a source, from headers alone.</summary>
/// <param name="Shards">The files, in ordinal order of their names.</param>
/// <param name="Index">The file that names them and its content; null when there is only one file.</param>
internal sealed record SourceWeights(IReadOnlyList<SourceShard> Shards, (SourceFile File, byte[] Content)? Index)
{
    /// <summary>Reads the index and the header of every file, and checks that they agree.</summary>
    /// <exception cref="PullException">A file is missing or cannot be read.</exception>
    /// <exception cref="CheckpointException">A header or the index is malformed, or they disagree.</exception>
    public static async Task<SourceWeights> ReadAsync(ModelSource source, CancellationToken cancellationToken)
    {
        HeaderBudget budget = new();
        if (await source.FindAsync(WeightFiles.IndexFileName, ModelSource.SmallFile, cancellationToken) is not { } indexFile)
        {
            return new([await ReadShardAsync(source, WeightFiles.SingleFileName, budget, cancellationToken)], null);
        }

        byte[] content = await source.ReadAllAsync(indexFile, SafetensorsHeader.MaxHeaderBytes, cancellationToken);
        var index = ShardIndex.Parse(content, source.Address + WeightFiles.IndexFileName);
        var shards = new SourceShard[index.Shards.Count];
        ParallelOptions options = new() { MaxDegreeOfParallelism = source.Connections, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            Enumerable.Range(0, shards.Length),
            options,
            async (i, token) => shards[i] = await ReadShardAsync(source, index.Shards[i], budget, token));
        index.Check(shards.Select(shard => (source.Address + shard.File.Name, shard.Header)));
        return new(shards, (indexFile, content));
    }

    private static async Task<SourceShard> ReadShardAsync(
        ModelSource source, string name, HeaderBudget budget, CancellationToken cancellationToken)
    {
        string path = source.Address + name;
        SourceFile file = await source.FindAsync(name, SafetensorsHeader.PrefixBytes, cancellationToken)
            ?? throw new PullException(PullError.NotFound, $"{path}: expected the weights, found no such file");
        byte[] prefix = await source.ReadStartAsync(file, (int)Math.Min(file.Length, SafetensorsHeader.PrefixBytes), cancellationToken);
        CheckedSize length = CheckedSize.From(SafetensorsHeader.ReadLength(prefix, file.Length, path), path);
        budget.Take(length, path);
        CheckedSize dataStart = length + SafetensorsHeader.PrefixBytes;
        byte[] start = await source.ReadStartAsync(file, dataStart.ToArrayLength(), cancellationToken);
        long dataLength = (CheckedSize.From(file.Length, path) - dataStart.Value).ToInt64();
        return new(file, SafetensorsHeader.Parse(start.AsSpan(prefix.Length), dataLength, path), dataStart.ToInt64());
    }

    // What one header may have, all of them may have together: else 4,096 files could claim 4,096 times the memory.
    private sealed class HeaderBudget
    {
        private readonly Lock _lock = new();
        private CheckedSize _used = new(0, WeightFiles.IndexFileName);

        public void Take(CheckedSize bytes, string path)
        {
            lock (_lock)
            {
                _used += bytes.Value;
                if (_used.Value > SafetensorsHeader.MaxHeaderBytes)
                {
                    throw new CheckpointException(
                        CheckpointError.HeaderTooLarge,
                        path,
                        $"headers of at most {SafetensorsHeader.MaxHeaderBytes} bytes in all files",
                        $"{_used.Value} up to this one");
                }
            }
        }
    }
}
