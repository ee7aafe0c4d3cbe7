namespace FlexKernel.Training.Data;

/// <summary>The tokens of texts that a cache keeps (<see cref="TokenCorpus"/>).</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Made">When it was made.</param>
public sealed record KeptCorpus(string Path, long Bytes, DateTime Made)
{
    /// <summary>How the names of such files end.</summary>
    internal const string Extension = ".tokens";

    /// <summary>What a directory keeps, the newest first; nothing if it does not exist.</summary>
    /// <param name="directory">The directory.</param>
    public static IReadOnlyList<KeptCorpus> In(string directory) => !Directory.Exists(directory)
        ? []
        : [.. new DirectoryInfo(directory).EnumerateFiles("*" + Extension)
            .Select(file => new KeptCorpus(file.FullName, file.Length, file.LastWriteTimeUtc)).OrderByDescending(corpus => corpus.Made)];

    /// <summary>Deletes it; the next run on these texts makes it anew.</summary>
    /// <exception cref="IOException">It cannot be deleted.</exception>
    public void Delete() => File.Delete(Path);
}
