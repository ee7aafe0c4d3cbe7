using FlexKernel.Checkpoints;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Distribution;

/// <summary>The directory beside the destination in which a download grows until it is whole: <c>DIR.partial</c>.</summary>
/// <remarks>It holds the journal and, in <c>files</c>, the result. Only the whole result gets its name, by one rename.</remarks>
internal sealed class PullWorkspace : IDisposable
{
    private const string Suffix = ".partial";
    private const string JournalName = "journal";
    private const string FilesName = "files";
    private const string ReplacedName = "replaced";
    private const string ConfigName = "config.json";

    // Seldom enough that flushing costs little, often enough that a crash does not.
    private const long SaveBytes = 8 << 20;

    private readonly string _destination;
    private readonly string _partial;
    private readonly ResultLayout _layout;
    private readonly List<SafeFileHandle> _handles = [];
    private readonly Lock _saving = new();
    private readonly Dictionary<int, long> _unsaved = [];
    private long _unsavedBytes;

    private PullWorkspace(string destination, ResultLayout layout, PullJournal journal)
    {
        _destination = destination;
        _partial = destination + Suffix;
        _layout = layout;
        Journal = journal;
        ResumedBytes = journal.Total;
    }

    /// <summary>How far the transfers have come.</summary>
    public PullJournal Journal { get; }

    /// <summary>Bytes that an earlier run left.</summary>
    public long ResumedBytes { get; private set; }

    /// <summary>Where the result grows.</summary>
    public string Files => Path.Combine(_partial, FilesName);

    /// <summary>Where the result will be, as a full path.</summary>
    public static string FullPath(string destination) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(destination));

    /// <summary>Where an unfinished download of a destination lies.</summary>
    public static string PartialPath(string destination) => FullPath(destination) + Suffix;

    /// <summary>Refuses a destination that holds anything, or that is no model to be replaced.</summary>
    /// <exception cref="PullException">The destination cannot be written to, or not without losing something.</exception>
    public static void CheckDestination(string destination, bool replace, string source)
    {
        DirectoryInfo info = new(FullPath(destination));
        if (info.Parent is null || info.LinkTarget is not null || File.Exists(info.FullName))
        {
            throw Occupied(info.FullName, "a directory to be made", info.LinkTarget is null ? "a file or a root" : "a symbolic link");
        }

        if (!info.Exists || !info.EnumerateFileSystemInfos().Any())
        {
            return;
        }

        if (!replace)
        {
            throw Occupied(info.FullName, "no such directory or an empty one (--force replaces a model)", "one that holds files");
        }

        // To replace means to delete, and a mistyped name must not delete anything but a model.
        if (!File.Exists(Path.Combine(info.FullName, ConfigName)) || info.EnumerateDirectories().Any())
        {
            throw Occupied(info.FullName, $"a model to replace: {ConfigName}, and no directories", "something else");
        }

        if (FullPath(source) == info.FullName)
        {
            throw Occupied(info.FullName, "another directory than the source", "the source itself");
        }
    }

    /// <summary>Opens the download of a destination: goes on where an earlier run of the same plan stopped, or starts.</summary>
    /// <exception cref="PullException">The directory holds something else, or another process works on it.</exception>
    /// <exception cref="IOException">A file cannot be created, for example because the disk is full.</exception>
    public static PullWorkspace Open(string destination, ResultLayout layout, string plan)
    {
        string partial = PartialPath(destination), journalPath = Path.Combine(partial, JournalName);
        DirectoryInfo info = new(partial);
        bool isStrange = info.Exists && !File.Exists(journalPath) && info.EnumerateFileSystemInfos().Any();
        if (isStrange || info.LinkTarget is not null || File.Exists(partial))
        {
            throw Occupied(partial, "no such directory, or an unfinished download", "something else");
        }

        Directory.CreateDirectory(partial);
        PullJournal journal = PullJournal.Open(journalPath, plan, [.. layout.Transfers.Select(transfer => transfer.Length)]);
        PullWorkspace workspace = new(FullPath(destination), layout, journal);
        try
        {
            workspace.OpenFiles();
            return workspace;
        }
        catch
        {
            workspace.Dispose();
            throw;
        }
    }

    /// <summary>Writes fetched bytes.</summary>
    public void Write(int target, long position, ReadOnlySpan<byte> bytes) => RandomAccess.Write(_handles[target], bytes, position);

    /// <summary>Notes that bytes of a transfer are written; now and then makes all of them survive a power failure.</summary>
    /// <param name="transfer">The transfer.</param>
    /// <param name="arrived">Its bytes that are written, counted from its beginning.</param>
    /// <param name="more">How many of them are new.</param>
    public void NoteProgress(int transfer, long arrived, int more)
    {
        bool isTime;
        lock (_unsaved)
        {
            _unsaved[transfer] = arrived;
            _unsavedBytes += more;
            isTime = _unsavedBytes >= SaveBytes;
            _unsavedBytes = isTime ? 0 : _unsavedBytes;
        }

        if (isTime)
        {
            SaveProgress();
        }
    }

    /// <summary>Makes all that was noted survive a power failure.</summary>
    public void SaveProgress()
    {
        lock (_saving)
        {
            KeyValuePair<int, long>[] noted;
            lock (_unsaved)
            {
                noted = [.. _unsaved];
                _unsaved.Clear();
            }

            // The data first: the journal must never vouch for what is not there.
            foreach (int target in noted.SelectMany(item => _layout.Transfers[item.Key].Pieces).Select(piece => piece.Target).Distinct())
            {
                RandomAccess.FlushToDisk(_handles[target]);
            }

            Journal.Record(noted);
        }
    }

    /// <summary>Forgets all transfers into a file whose bytes turned out to be wrong.</summary>
    public void Forget(string file)
    {
        Journal.Record([.. Enumerable.Range(0, _layout.Transfers.Length)
            .Where(i => _layout.Transfers[i].Pieces.Any(piece => _layout.Files[piece.Target].Name == file))
            .Select(i => KeyValuePair.Create(i, 0L))]);
    }

    /// <summary>Writes a small file of the result; it is on disk once the result is published.</summary>
    public void Save(string name, ReadOnlySpan<byte> content)
    {
        SafeFileHandle handle = File.OpenHandle(Path.Combine(Files, name), FileMode.Create, FileAccess.Write, FileShare.Read);
        _handles.Add(handle);
        RandomAccess.Write(handle, content, 0);
    }

    /// <summary>Gives the result its name, and removes what the download left.</summary>
    public void Publish()
    {
        // All of them together: one wait for the disk instead of one for each.
        _handles.ForEach(RandomAccess.FlushToDisk);
        CloseFiles();
        string replaced = Path.Combine(_partial, ReplacedName);
        if (Directory.Exists(_destination))
        {
            DeleteIfThere(replaced);
            Directory.Move(_destination, replaced);
        }

        DurableFile.RenameDirectory(Files, _destination);
        Journal.Dispose();
        Directory.Delete(_partial, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CloseFiles();
        Journal.Dispose();
    }

    private static void DeleteIfThere(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static PullException Occupied(string path, string expected, string found) =>
        new(PullError.DestinationOccupied, $"{path}: expected {expected}, found {found}");

    private void OpenFiles()
    {
        if (Journal.Total == 0 || !_layout.Files.All(IsThere))
        {
            Journal.Restart();
            ResumedBytes = 0;
            DeleteIfThere(Files);
            Directory.CreateDirectory(Files);
        }

        foreach (TargetFile file in _layout.Files)
        {
            string path = Path.Combine(Files, file.Name);
            bool isNew = !File.Exists(path);
            _handles.Add(File.OpenHandle(
                path,
                isNew ? FileMode.CreateNew : FileMode.Open,
                FileAccess.Write,
                FileShare.Read,
                FileOptions.None,
                preallocationSize: isNew ? file.Length : 0));
            if (isNew)
            {
                // Where space cannot be reserved the length must be right all the same: it tells a download to be continued.
                RandomAccess.SetLength(_handles[^1], file.Length);
            }

            // Written every time: a process that ended between creating the file and writing its start left a file of the right length.
            RandomAccess.Write(_handles[^1], file.Start, 0);
        }
    }

    private bool IsThere(TargetFile file) =>
        new FileInfo(Path.Combine(Files, file.Name)) is { Exists: true } info && info.Length == file.Length;

    private void CloseFiles()
    {
        _handles.ForEach(handle => handle.Dispose());
        _handles.Clear();
    }
}
