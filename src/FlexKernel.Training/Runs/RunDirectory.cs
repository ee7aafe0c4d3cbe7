namespace FlexKernel.Training.Runs;

/// <summary>The files of a run, and the right to write them.</summary>
/// <remarks>
/// <c>run.json</c> (the definition; a directory without it is no run), <c>start/</c> and <c>start-adapter/</c> (what it began with, if the recipe made it),
/// <c>checkpoints/</c>, <c>log.jsonl</c>, <c>loss.svg</c>, and at the end <c>model/</c> or <c>adapter/</c>.
/// </remarks>
public sealed class RunDirectory : IDisposable
{
    private const string DefinitionFile = "run.json", LockFile = ".lock", LogFile = "log.jsonl", PictureFile = "loss.svg";
    private const string ModelName = "model", AdapterName = "adapter", CheckpointsName = "checkpoints";

    // All that a run writes; what has another name is a stranger's, and never deleted.
    private static readonly string[] Own =
        [DefinitionFile, LockFile, StartName, StartAdapterName, ModelName, AdapterName, CheckpointsName, LogFile, PictureFile];

    private readonly FileStream _lock;
    private bool _isUndefined;

    private RunDirectory(string path, FileStream @lock) => (Path, _lock) = (path, @lock);

    /// <summary>The directory.</summary>
    public string Path { get; }

    /// <summary>Where a recipe puts the model it starts with, as <see cref="RunDefinition.Start"/> names it.</summary>
    public const string StartName = "start";

    /// <summary>Where a recipe puts the adapter it starts with, as <see cref="RunDefinition.Adapter"/> names it.</summary>
    public const string StartAdapterName = "start-adapter";

    /// <summary>The adapter it starts with.</summary>
    public string StartAdapter => In(StartAdapterName);

    /// <summary>The model it starts with.</summary>
    public string Start => In(StartName);

    /// <summary>The result.</summary>
    public string Model => In(ModelName);

    /// <summary>The result of training an adapter.</summary>
    public string Adapter => In(AdapterName);

    /// <summary>The checkpoints.</summary>
    public string Checkpoints => In(CheckpointsName);

    /// <summary>One JSON object per line: what happened.</summary>
    public string Log => In(LogFile);

    /// <summary>A picture of the loss.</summary>
    public string Picture => In(PictureFile);

    /// <summary>True when a directory holds a run.</summary>
    public static bool IsRun(string path) => File.Exists(System.IO.Path.Combine(path, DefinitionFile));

    /// <summary>Refuses a directory that <see cref="Create"/> would refuse, before work that would be in vain.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="overwrite">Whether a run that is there may be deleted.</param>
    /// <exception cref="RunException">Something is there that must not be deleted.</exception>
    public static void CheckFree(string path, bool overwrite)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.GetFullPath(path);
        if (File.Exists(path))
        {
            throw new RunException($"{path}: expected a new or empty directory, found a file.");
        }

        bool isRun = IsRun(path);
        if (isRun && !overwrite)
        {
            throw new RunException($"{path} holds a run: go on with it by 'train resume {path}', or delete it with --force.");
        }

        string[] found = Directory.Exists(path) ? [.. Directory.EnumerateFileSystemEntries(path).Select(entry => System.IO.Path.GetFileName(entry)!)] : [];
        string? other = isRun || found.Contains(LockFile) ? found.FirstOrDefault(name => !IsOwn(name)) : found.FirstOrDefault();
        if (other is not null)
        {
            throw new RunException(
                $"{path}: expected a new or empty directory{(overwrite ? ", or the files of a run and nothing else" : "")}, found '{other}'.");
        }

        if (!overwrite && found.Any(name => name != LockFile))
        {
            throw new RunException($"{path} holds what is left of a run that never began: delete it with --force.");
        }
    }

    /// <summary>Starts a directory; <see cref="Define"/> makes it a run, and without it what was written is deleted in the end.</summary>
    /// <param name="path">A new or empty directory.</param>
    /// <param name="overwrite">Whether a run that is there is deleted first.</param>
    /// <exception cref="RunException">Something is there that must not be deleted, or another process works on it.</exception>
    /// <exception cref="IOException">The directory cannot be created.</exception>
    public static RunDirectory Create(string path, bool overwrite)
    {
        CheckFree(path, overwrite);
        path = System.IO.Path.GetFullPath(path);
        Directory.CreateDirectory(path);
        RunDirectory run = Lock(path);
        try
        {
            run.Clear();
            run._isUndefined = true;
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Opens a run to go on with it.</summary>
    /// <exception cref="RunException">There is none, or another process works on it.</exception>
    public static RunDirectory Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.GetFullPath(path);
        return IsRun(path) ? Lock(path) : throw new RunException($"{path}: expected the directory of a run, found no {DefinitionFile}.");
    }

    /// <summary>Reads the definition.</summary>
    /// <exception cref="RunException">It cannot be read.</exception>
    public RunDefinition Read() => RunDefinition.Read(In(DefinitionFile));

    /// <summary>Writes the definition.</summary>
    public void Define(RunDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        definition.Write(In(DefinitionFile));
        _isUndefined = false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isUndefined)
        {
            Clear();
        }

        _lock.Dispose();
    }

    private void Clear()
    {
        // The definition goes first: what is left if this is interrupted is no run.
        File.Delete(In(DefinitionFile));
        foreach (string path in Directory.EnumerateFileSystemEntries(Path).Where(path => IsOwn(System.IO.Path.GetFileName(path))).ToArray())
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
            else if (System.IO.Path.GetFileName(path) != LockFile)
            {
                File.Delete(path);
            }
        }
    }

    // What is being written has a name of its own until it is whole: .NAME.*.tmp a directory, NAME.*.tmp a file.
    private static bool IsOwn(string name) => Own.Contains(name)
        || (name.EndsWith(".tmp", StringComparison.Ordinal) && Own.Any(own => name.TrimStart('.').StartsWith(own + '.', StringComparison.Ordinal)));

    private static RunDirectory Lock(string path)
    {
        try
        {
            return new RunDirectory(path, new FileStream(System.IO.Path.Combine(path, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e)
        {
            throw new RunException($"{path}: another process trains here, or the directory cannot be written: {e.Message}", e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
