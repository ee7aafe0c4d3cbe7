namespace FlexKernel.Checkpoints;

/// <summary>Files that appear under their name whole and on disk, or not at all, whatever interrupts their writing.</summary>
public static class DurableFile
{
    /// <summary>Writes a file, to a temporary one beside it that is flushed and renamed when it is whole, and else deleted.</summary>
    /// <param name="path">The file to appear; an existing one is replaced.</param>
    /// <param name="write">Writes the content; the stream is buffered, and closed by the caller.</param>
    /// <exception cref="IOException">The file cannot be created, written, flushed or renamed.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        path = Path.GetFullPath(path);
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
        try
        {
            using (stream)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            Rename(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Gives a flushed file its final name in the same directory, replacing what has that name.</summary>
    /// <exception cref="IOException">The file cannot be renamed, or its directory not flushed.</exception>
    internal static void Rename(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes the names in a directory survive a power failure, where the system needs to be told.</summary>
    /// <exception cref="IOException">The directory cannot be flushed.</exception>
    public static void FlushDirectory(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            LinuxFile.FlushDirectory(path);
        }
    }

    /// <summary>Gives a directory of flushed files its final name, which nothing has, on the same file system.</summary>
    /// <exception cref="IOException">The directory cannot be renamed or flushed.</exception>
    public static void RenameDirectory(string temporary, string path)
    {
        if (OperatingSystem.IsLinux())
        {
            LinuxFile.FlushDirectory(temporary);
        }

        Directory.Move(temporary, path);
        if (OperatingSystem.IsLinux())
        {
            LinuxFile.FlushDirectory(Path.GetDirectoryName(path)!);
        }
    }
}
