namespace FlexKernel.Checkpoints;

/// <summary>Renames that survive a power failure.</summary>
internal static class DurableFile
{
    /// <summary>Gives a flushed file its final name in the same directory, replacing what has that name.</summary>
    /// <exception cref="IOException">The file cannot be renamed, or its directory not flushed.</exception>
    public static void Rename(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        if (OperatingSystem.IsLinux())
        {
            LinuxFile.FlushDirectory(Path.GetDirectoryName(path)!);
        }
    }
}
