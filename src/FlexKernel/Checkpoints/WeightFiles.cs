namespace FlexKernel.Checkpoints;

/// <summary>The safetensors files of one set of weights: a single file, or the shards of an index beside them.</summary>
public sealed class WeightFiles : IDisposable
{
    /// <summary>The most shards an index may name.</summary>
    public const int MaxShards = 4096;

    /// <summary>The name of the file that holds all weights of a model directory without index.</summary>
    public const string SingleFileName = "model.safetensors";

    /// <summary>The name of the file that assigns tensors to shards.</summary>
    public const string IndexFileName = "model.safetensors.index.json";

    /// <summary>The name of the reference outputs that may lie beside weights; never opened as weights.</summary>
    public const string ExpectedOutputsFileName = "expected.safetensors";

    internal const string Extension = ".safetensors";

    // Formats whose readers execute code or expand archives; a model that comes only in one of them is to be converted by its owner.
    private static readonly string[] RefusedExtensions = [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npz", ".npy", ".h5", ".msgpack"];

    private readonly SafetensorsFile[] _files;
    private readonly Dictionary<string, SafetensorsFile>? _shardOf;

    private WeightFiles(string source, SafetensorsFile[] files, Dictionary<string, SafetensorsFile>? shardOf, long tensorBytes)
    {
        Source = source;
        _files = files;
        _shardOf = shardOf;
        TensorBytes = tensorBytes;
    }

    /// <summary>Gets the file or directory that was opened.</summary>
    public string Source { get; }

    /// <summary>Gets the files in ordinal order of their names.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _files;

    /// <summary>Gets the number of tensors.</summary>
    public int TensorCount => _files.Sum(file => file.Header.Tensors.Length);

    /// <summary>Gets the bytes of all tensors.</summary>
    public long TensorBytes { get; }

    /// <summary>Gets all tensors: file by file, in the order of their bytes.</summary>
    public IEnumerable<StoredTensor> Tensors =>
        _files.SelectMany(file => file.Header.Tensors.Select(entry => new StoredTensor(file, entry)));

    /// <summary>Gets a tensor.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="CheckpointException">No file holds such a tensor.</exception>
    public StoredTensor this[string name] => TryGet(name, out StoredTensor tensor)
        ? tensor
        : throw new CheckpointException(CheckpointError.TensorNotFound, Source, "a tensor of this name", "none", name);

    /// <summary>Opens weights and validates every header; no tensor is read.</summary>
    /// <param name="path">A safetensors file, or a directory with an index or, failing that, a <c>model.safetensors</c>.</param>
    /// <exception cref="CheckpointException">A file is missing, unacceptable or malformed, or index and shards disagree.</exception>
    public static WeightFiles Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
        {
            RefuseExtension(path);
            return OpenSingle(path, path);
        }

        string index = Path.Combine(path, IndexFileName), single = Path.Combine(path, SingleFileName);
        if (Exists(index))
        {
            return OpenShards(path, ShardIndex.Read(index));
        }

        return Exists(single) ? OpenSingle(path, single) : throw NothingFound(path);
    }

    /// <summary>Finds a tensor.</summary>
    /// <param name="name">The name.</param>
    /// <param name="tensor">Receives the tensor.</param>
    /// <returns>False when no file holds such a tensor.</returns>
    public bool TryGet(string name, out StoredTensor tensor)
    {
        SafetensorsFile? file = _shardOf is null ? _files[0] : _shardOf.GetValueOrDefault(name);
        TensorEntry? entry = file?.Header.Find(name);
        tensor = entry is null ? default : new StoredTensor(file!, entry);
        return entry is not null;
    }

    /// <summary>Reads every file once, front to back, and hands the tensors to sinks in chunks.</summary>
    /// <param name="choose">Gives the sink of a tensor when its bytes are reached, or null to skip it; called once per tensor.</param>
    /// <param name="options">What to check and how much to buffer.</param>
    /// <param name="progress">Told after each read; may be null.</param>
    /// <param name="cancellationToken">Stops between two reads.</param>
    /// <remarks>Beside the sinks' own memory it uses one buffer.</remarks>
    /// <exception cref="CheckpointException">A file is shorter or other than when it was opened, or a value is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Load(
        Func<TensorEntry, ITensorSink?> choose,
        CheckpointReadOptions options,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(choose);
        ArgumentNullException.ThrowIfNull(options);
        new WeightStream(_files, options, progress, cancellationToken).Run(choose);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
        {
            file.Dispose();
        }
    }

    private static bool Exists(string path) =>
        new FileInfo(path) is var info && (info.Exists || info.LinkTarget is not null || Directory.Exists(path));

    private static WeightFiles OpenSingle(string source, string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        return new WeightFiles(source, [file], null, file.DataLength);
    }

    private static WeightFiles OpenShards(string directory, ShardIndex index)
    {
        RefuseUnreferenced(directory, index);
        List<SafetensorsFile> files = [];
        try
        {
            foreach (string shard in index.Shards)
            {
                files.Add(SafetensorsFile.Open(Path.Combine(directory, shard)));
            }

            long bytes = index.Check(files.Select(file => (file.Path, file.Header)));
            Dictionary<string, SafetensorsFile> shardOf = new(index.ShardOf.Count, StringComparer.Ordinal);
            foreach (SafetensorsFile file in files)
            {
                foreach (TensorEntry entry in file.Header.Tensors)
                {
                    shardOf.Add(entry.Name, file);
                }
            }

            return new WeightFiles(directory, [.. files], shardOf, bytes);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    private static void RefuseUnreferenced(string directory, ShardIndex index)
    {
        HashSet<string> allowed = new(index.Shards, StringComparer.Ordinal) { ExpectedOutputsFileName };
        foreach (string name in Names(directory))
        {
            if (name.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) && !allowed.Contains(name))
            {
                throw new CheckpointException(
                    CheckpointError.UnreferencedFile,
                    index.Path,
                    "only shards that the index names in its directory",
                    CheckpointException.Quote(name));
            }
        }
    }

    private static CheckpointException NothingFound(string directory)
    {
        string expected = $"{SingleFileName} or {IndexFileName}";
        List<string> names = Names(directory);
        names.Sort(StringComparer.Ordinal);
        if (names.FirstOrDefault(name => name.EndsWith(Extension, StringComparison.OrdinalIgnoreCase)) is { } other)
        {
            return new(
                CheckpointError.WeightsNotFound,
                directory,
                expected,
                $"{CheckpointException.Quote(other)} (pass the path of the file itself to open it)");
        }

        return names.FirstOrDefault(name => Refused(name)) is { } refused
            ? RefusedFormat(Path.Combine(directory, refused))
            : new(CheckpointError.WeightsNotFound, directory, expected, "neither");
    }

    private static void RefuseExtension(string path)
    {
        if (Refused(path))
        {
            throw RefusedFormat(path);
        }
    }

    private static bool Refused(string name) => RefusedExtensions.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase);

    private static CheckpointException RefusedFormat(string path) => new(
        CheckpointError.UnsupportedFormat,
        path,
        "weights in the safetensors format",
        "a format that may run code or expand when read; convert it, for example with save_pretrained(..., safe_serialization=True)");

    private static List<string> Names(string directory)
    {
        EnumerationOptions everything = new() { AttributesToSkip = 0, IgnoreInaccessible = false };
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(directory, "*", everything).Select(path => Path.GetFileName(path))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(CheckpointError.FileUnreadable, directory, "a readable directory", e.Message, innerException: e);
        }
    }
}
