namespace FlexKernel.Checkpoints;

/// <summary>Where files lie that can be made anew.</summary>
internal static class CacheDirectory
{
    /// <summary>The usual place: <c>flexkernel/KIND</c> in <c>XDG_CACHE_HOME</c>, in <c>~/.cache</c>, or in the local application data on Windows.</summary>
    /// <param name="kind">What lies there.</param>
    public static string Default(string kind)
    {
        string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        string home = xdg is not null && Path.IsPathFullyQualified(xdg) ? xdg
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(home, "flexkernel", kind);
    }

    /// <summary>Makes a directory for its owner alone, if there is none.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }
}
