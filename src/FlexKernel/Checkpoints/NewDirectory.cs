namespace FlexKernel.Checkpoints;

/// <summary>A directory that appears under its name whole and on disk, or not at all.</summary>
/// <remarks>Its files go to a hidden directory beside it; <see cref="Complete"/> renames that, otherwise <see cref="Dispose"/> deletes it.</remarks>
internal sealed class NewDirectory : IDisposable
{
    private const string ConfigFile = "config.json";

    private readonly string _destination;
    private readonly string _parent;
    private readonly List<string> _newParents = [];
    private bool _completed;

    private NewDirectory(string destination)
    {
        _destination = destination;
        _parent = System.IO.Path.GetDirectoryName(destination)!;
        string? missing = _parent;
        while (missing is not null && !Directory.Exists(missing))
        {
            _newParents.Add(missing);
            missing = System.IO.Path.GetDirectoryName(missing);
        }

        Path = Temporary("new");
        Directory.CreateDirectory(Path);
    }

    /// <summary>Gets the directory to write to.</summary>
    public string Path { get; }

    /// <summary>Starts a directory.</summary>
    /// <param name="destination">Where it is to appear: nothing, or an empty directory.</param>
    /// <param name="replace">Whether a directory of the same kind that is there may be replaced.</param>
    /// <param name="mark">The file by which such a directory is known.</param>
    /// <exception cref="IOException">Something is there that must not be replaced, or the directory cannot be created.</exception>
    public static NewDirectory Create(string destination, bool replace, string mark = ConfigFile)
    {
        ArgumentException.ThrowIfNullOrEmpty(destination);
        string path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(destination));
        if (File.Exists(path))
        {
            throw new IOException($"{destination}: expected a new or empty directory, found a file.");
        }

        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            // Nobody's home directory is to vanish for a mistyped name.
            bool isOfKind = File.Exists(System.IO.Path.Combine(path, mark));
            if (!replace || !isOfKind || System.IO.Path.GetDirectoryName(path) is null)
            {
                throw new IOException(replace
                    ? $"{destination}: only a directory with {mark} is replaced, and this one holds none."
                    : $"{destination}: expected a new or empty directory, found files (--force replaces one with {mark}).");
            }
        }

        return new NewDirectory(path);
    }

    /// <summary>Writes a small file and flushes it.</summary>
    public void Write(string name, ReadOnlySpan<byte> content)
    {
        using FileStream stream = new(System.IO.Path.Combine(Path, name), FileMode.CreateNew);
        stream.Write(content);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Gives the directory its name; what it replaces is deleted afterwards.</summary>
    /// <exception cref="IOException">The directory cannot be renamed.</exception>
    public void Complete()
    {
        DurableFile.FlushDirectory(Path);
        string? replaced = null;
        if (Directory.Exists(_destination))
        {
            replaced = Temporary("old");
            Directory.Move(_destination, replaced);
        }

        try
        {
            Directory.Move(Path, _destination);
        }
        catch
        {
            if (replaced is not null)
            {
                Directory.Move(replaced, _destination);
            }

            throw;
        }

        _completed = true;
        DurableFile.FlushDirectory(_parent);
        if (replaced is not null)
        {
            Directory.Delete(replaced, recursive: true);
        }
    }

    /// <summary>Deletes what was written unless the directory was completed.</summary>
    public void Dispose()
    {
        if (_completed || !Directory.Exists(Path))
        {
            return;
        }

        Directory.Delete(Path, recursive: true);
        foreach (string parent in _newParents.Where(p => !Directory.EnumerateFileSystemEntries(p).Any()))
        {
            Directory.Delete(parent);
        }
    }

    private string Temporary(string kind) =>
        System.IO.Path.Combine(_parent, $".{System.IO.Path.GetFileName(_destination)}.{Guid.NewGuid():N}.{kind}.tmp");
}
