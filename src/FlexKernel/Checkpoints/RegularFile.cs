using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Checkpoints;

/// <summary>Opens files of strangers: never through a symbolic link, never a pipe, device or directory.</summary>
internal static class RegularFile
{
    /// <summary>Opens a file for reading.</summary>
    /// <param name="path">The file; links in its directory part are followed, its last part must not be one.</param>
    /// <exception cref="CheckpointException">The path is missing, unreadable, a link, or anything but a regular file.</exception>
    public static SafeFileHandle OpenRead(string path)
    {
        if (path.Contains('\0'))
        {
            throw new CheckpointException(
                CheckpointError.FileNotFound, CheckpointException.Quote(path), "a file name", "one with a NUL character");
        }

        return OperatingSystem.IsLinux() ? LinuxFile.OpenRead(path) : OpenPortable(path);
    }

    /// <summary>Reads a whole small file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">The longest acceptable file.</param>
    /// <exception cref="CheckpointException">As <see cref="OpenRead"/>, or the file is longer, or changes while it is read.</exception>
    public static byte[] ReadAll(string path, int maxBytes)
    {
        using SafeFileHandle handle = OpenRead(path);
        CheckedSize length = CheckedSize.From(RandomAccess.GetLength(handle), path);
        if (length.Value > (ulong)maxBytes)
        {
            throw new CheckpointException(CheckpointError.FileTooLarge, path, $"at most {maxBytes} bytes", $"{length.Value}");
        }

        byte[] content = new byte[length.ToArrayLength()];
        ReadExactly(handle, 0, content, path);
        return content;
    }

    /// <summary>Fills a buffer from a position of a file.</summary>
    /// <exception cref="CheckpointException">The file ends before the buffer is full, or cannot be read.</exception>
    public static void ReadExactly(SafeFileHandle handle, long position, Span<byte> destination, string path)
    {
        int filled = 0;
        while (filled < destination.Length)
        {
            int read = ReadSome(handle, position + filled, destination[filled..], path);
            if (read == 0)
            {
                throw new CheckpointException(
                    CheckpointError.FileTruncated,
                    path,
                    $"{destination.Length} bytes at {position}",
                    $"the end of the file after {filled}");
            }

            filled += read;
        }
    }

    private static int ReadSome(SafeFileHandle handle, long position, Span<byte> destination, string path)
    {
        try
        {
            return RandomAccess.Read(handle, destination, position);
        }
        catch (IOException e)
        {
            throw new CheckpointException(CheckpointError.FileUnreadable, path, "a readable file", e.Message, innerException: e);
        }
    }

    // Between the look at the path and the opening another process can swap the file; only the Linux way closes that gap.
    private static SafeFileHandle OpenPortable(string path)
    {
        try
        {
            FileInfo info = new(path);
            if (info.LinkTarget is not null)
            {
                throw new CheckpointException(CheckpointError.SymbolicLink, path, "a regular file", "a symbolic link");
            }

            if ((info.Attributes & (FileAttributes.Directory | FileAttributes.Device | FileAttributes.ReparsePoint)) != 0)
            {
                throw new CheckpointException(CheckpointError.NotRegularFile, path, "a regular file", $"{info.Attributes}");
            }

            return File.OpenHandle(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(CheckpointError.FileNotFound, path, "a file", "none", innerException: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(CheckpointError.FileUnreadable, path, "a readable file", e.Message, innerException: e);
        }
    }
}
