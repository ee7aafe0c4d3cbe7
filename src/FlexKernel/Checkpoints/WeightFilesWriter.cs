namespace FlexKernel.Checkpoints;

/// <summary>Writes the weights of a model directory: one file, or shards with an index when they exceed a size.</summary>
/// <remarks>The index appears last, so a directory whose writing was interrupted is never mistaken for a whole one.</remarks>
public sealed class WeightFilesWriter : IDisposable
{
    private readonly string _directory;
    private readonly Dictionary<string, SafetensorsWriter> _writerOf = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _shardOf = new(StringComparer.Ordinal);
    private readonly List<(string Path, SafetensorsWriter Writer)> _shards = [];
    private readonly List<string> _published = [];
    private bool _completed;

    private WeightFilesWriter(string directory) => _directory = directory;

    /// <summary>Starts the files.</summary>
    /// <param name="directory">An existing directory that holds no safetensors file and no index yet.</param>
    /// <param name="tensors">All tensors; neighbours in this order come into the same shard while it has room.</param>
    /// <param name="maxShardBytes">The most tensor bytes of a shard; a larger tensor gets a shard of its own.</param>
    /// <param name="metadata">Free text to store in every file, or null.</param>
    /// <exception cref="ArgumentException">As <see cref="SafetensorsWriter.Create"/>, or there would be too many shards.</exception>
    /// <exception cref="IOException">The directory already holds weights, or a file cannot be created.</exception>
    public static WeightFilesWriter Create(
        string directory, IEnumerable<TensorSpec> tensors, long maxShardBytes, IReadOnlyDictionary<string, string>? metadata = null)
    {
        return Create(directory, tensors, Sharding.MaxBytes(maxShardBytes), metadata);
    }

    /// <inheritdoc cref="Create(string, IEnumerable{TensorSpec}, long, IReadOnlyDictionary{string, string}?)"/>
    /// <param name="directory">An existing directory that holds no safetensors file and no index yet.</param>
    /// <param name="tensors">All tensors; neighbours in this order come into the same shard.</param>
    /// <param name="sharding">How they are divided into files.</param>
    /// <param name="metadata">Free text to store in every file, or null.</param>
    /// <param name="byteAlignment">What the first U8 tensor of a file is aligned to; a multiple of 8.</param>
    public static WeightFilesWriter Create(
        string directory,
        IEnumerable<TensorSpec> tensors,
        Sharding sharding,
        IReadOnlyDictionary<string, string>? metadata = null,
        int byteAlignment = sizeof(ulong))
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(sharding);
        if (Directory.EnumerateFileSystemEntries(directory).FirstOrDefault(IsWeights) is { } existing)
        {
            throw new IOException($"{directory}: holds {Path.GetFileName(existing)} already; weights are written to a fresh directory.");
        }

        WeightFilesWriter writer = new(directory);
        try
        {
            writer.OpenShards(sharding.Split([.. tensors]), metadata, byteAlignment);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Writes the next bytes of a tensor.</summary>
    /// <param name="tensor">The name of the tensor.</param>
    /// <param name="bytes">Its next bytes as the file stores them: little-endian, row-major.</param>
    /// <exception cref="ArgumentException">No tensor has this name, or it would become longer than its type and shape say.</exception>
    /// <exception cref="IOException">The bytes cannot be written.</exception>
    public void Append(string tensor, ReadOnlySpan<byte> bytes)
    {
        Find(tensor).Append(tensor, bytes);
    }

    /// <inheritdoc cref="SafetensorsWriter.Write(string, long, ReadOnlySpan{byte})"/>
    public void Write(string tensor, long offset, ReadOnlySpan<byte> bytes) => Find(tensor).Write(tensor, offset, bytes);

    /// <summary>The number of weight files.</summary>
    public int FileCount => _shards.Count;

    /// <summary>Flushes all files to the disk and gives them their names, the index last.</summary>
    /// <exception cref="InvalidOperationException">A tensor lacks bytes.</exception>
    /// <exception cref="IOException">A file cannot be flushed or renamed.</exception>
    public void Complete()
    {
        foreach ((string path, SafetensorsWriter writer) in _shards)
        {
            writer.Complete();
            _published.Add(path);
        }

        if (_shards.Count > 1)
        {
            WriteIndex();
        }

        _completed = true;
    }

    /// <summary>Closes the writer; deletes what it wrote unless the files were completed.</summary>
    public void Dispose()
    {
        _shards.ForEach(shard => shard.Writer.Dispose());
        if (!_completed)
        {
            _published.ForEach(File.Delete);
            _published.Clear();
        }
    }

    private SafetensorsWriter Find(string tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return _writerOf.TryGetValue(tensor, out SafetensorsWriter? writer)
            ? writer
            : throw new ArgumentException($"The weights have no tensor {CheckpointException.Quote(tensor)}.", nameof(tensor));
    }

    private static bool IsWeights(string path) =>
        path.EndsWith(WeightFiles.Extension, StringComparison.OrdinalIgnoreCase) || Path.GetFileName(path) == WeightFiles.IndexFileName;

    private void OpenShards(List<List<TensorSpec>> shards, IReadOnlyDictionary<string, string>? metadata, int byteAlignment)
    {
        for (int i = 0; i < shards.Count; i++)
        {
            string name = shards.Count == 1
                ? WeightFiles.SingleFileName
                : ShardIndex.ShardName(i, shards.Count);
            string path = Path.Combine(_directory, name);
            SafetensorsWriter writer = SafetensorsWriter.Create(path, shards[i], metadata, byteAlignment);
            _shards.Add((path, writer));
            foreach (TensorSpec tensor in shards[i])
            {
                _writerOf.Add(tensor.Name, writer);
                _shardOf.Add(tensor.Name, name);
            }
        }
    }

    private void WriteIndex() => DurableFile.Write(
        Path.Combine(_directory, WeightFiles.IndexFileName),
        stream => ShardIndex.Write(stream, _shards.Sum(shard => shard.Writer.Tensors.Sum(tensor => tensor.ByteCount)), _shardOf));
}
