namespace FlexKernel.Training.Runs;

/// <summary>The files of a run, and the right to write them.</summary>
/// <remarks>
/// <c>run.json</c> (the definition; a directory without it is no run), <c>start/</c> and <c>start-adapter/</c> (what it began with, if the recipe made it),
/// <c>checkpoints/</c>, <c>log.jsonl</c>, <c>loss.svg</c>, and at the end <c>model/</c> or <c>adapter/</c>.
/// </remarks>
public sealed class RunDirectory : IDisposable
{
    private const string DefinitionFile = "run.json";

    private readonly FileStream _lock;

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
    public string Model => In("model");

    /// <summary>The result of training an adapter.</summary>
    public string Adapter => In("adapter");

    /// <summary>The checkpoints.</summary>
    public string Checkpoints => In("checkpoints");

    /// <summary>One JSON object per line: what happened.</summary>
    public string Log => In("log.jsonl");

    /// <summary>A picture of the loss.</summary>
    public string Picture => In("loss.svg");

    /// <summary>True when a directory holds a run.</summary>
    public static bool IsRun(string path) => File.Exists(System.IO.Path.Combine(path, DefinitionFile));

    /// <summary>Starts a directory; <see cref="Define"/> makes it a run.</summary>
    /// <param name="path">A new or empty directory.</param>
    /// <param name="overwrite">Whether a run that is there is deleted first.</param>
    /// <exception cref="RunException">Something is there that must not be deleted, or another process works on it.</exception>
    /// <exception cref="IOException">The directory cannot be created.</exception>
    public static RunDirectory Create(string path, bool overwrite)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = System.IO.Path.GetFullPath(path);
        bool isTaken = File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any(file => !IsLock(file)));
        if (isTaken && IsRun(path) && !overwrite)
        {
            throw new RunException($"{path} holds a run: go on with it by 'train resume {path}', or delete it with --force.");
        }

        if (isTaken && !IsRun(path) && !(overwrite && IsUnfinished(path)))
        {
            throw new RunException($"{path}: expected a new or empty directory, found other files.");
        }

        Directory.CreateDirectory(path);
        RunDirectory run = Lock(path);
        try
        {
            // The definition goes first: what is left if this is interrupted is no run.
            File.Delete(run.In(DefinitionFile));
            foreach (string directory in Directory.EnumerateDirectories(path))
            {
                Directory.Delete(directory, recursive: true);
            }

            foreach (string file in Directory.EnumerateFiles(path).Where(file => !IsLock(file)))
            {
                File.Delete(file);
            }

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
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private static bool IsLock(string file) => System.IO.Path.GetFileName(file) == ".lock";

    // What an interrupted Create leaves: the model it starts with, whole or not.
    private static bool IsUnfinished(string path) => !File.Exists(path) && Directory.EnumerateFileSystemEntries(path)
        .All(file => IsLock(file) || System.IO.Path.GetFileName(file).Contains(StartName, StringComparison.Ordinal));

    private static RunDirectory Lock(string path)
    {
        try
        {
            return new RunDirectory(path, new FileStream(System.IO.Path.Combine(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e)
        {
            throw new RunException($"{path}: another process trains here, or the directory cannot be written: {e.Message}", e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
