using FlexKernel.Checkpoints;

namespace FlexKernel.Training.Data;

/// <summary>Finds files of training data by their names.</summary>
internal static class SourceFile
{
    public const string Compressed = ".gz", JsonLines = ".jsonl";
    public static readonly string[] TextKinds = [".txt", ".md", JsonLines];

    /// <summary>Whether a file holds a JSON object a line.</summary>
    public static bool IsJsonLines(string path) => KindOf(path) == JsonLines;

    /// <summary>Whether a file is gzip.</summary>
    public static bool IsCompressed(string path) => path.EndsWith(Compressed, StringComparison.OrdinalIgnoreCase);

    /// <summary>The extension below <c>.gz</c>, in lower case.</summary>
    public static string KindOf(string path) => Path.GetExtension(IsCompressed(path) ? path[..^Compressed.Length] : path).ToLowerInvariant();

    /// <summary>Lists files in the order of the paths given; those of a directory in the ordinal order of their relative paths.</summary>
    /// <param name="paths">Files, and directories that are searched with all below them but hidden entries and symbolic links.</param>
    /// <param name="kinds">The extensions wanted.</param>
    /// <param name="others">Receives the files of directories that have another extension.</param>
    /// <exception cref="ArgumentException">There is no path.</exception>
    /// <exception cref="TrainingDataException">A path does not exist, a file has another extension, or a directory holds none of these.</exception>
    public static IReadOnlyList<string> Find(IEnumerable<string> paths, IReadOnlyCollection<string> kinds, List<string> others)
    {
        List<string> found = [];
        foreach (string path in paths)
        {
            if (Directory.Exists(path))
            {
                ILookup<bool, string> files = Below(path).ToLookup(file => kinds.Contains(KindOf(file)));
                found.AddRange(files[true].Any() ? files[true] : throw new TrainingDataException(path, $"expected files ending in {Show(kinds)}, found none"));
                others.AddRange(files[false]);
            }
            else
            {
                found.Add(!File.Exists(path) ? throw new TrainingDataException(path, "expected a file or a directory, found none")
                    : kinds.Contains(KindOf(path)) ? path
                    : throw new TrainingDataException(path, $"expected a name ending in {Show(kinds)}, found {CheckpointException.Quote(Path.GetFileName(path))}"));
            }
        }

        return found.Count > 0 ? found : throw new ArgumentException("There is no path to read.", nameof(paths));
    }

    /// <summary>Names files in a message.</summary>
    public static string Name(IReadOnlyList<string> files) => files.Count == 1 ? files[0] : $"{files[0]} and {files.Count - 1} more";

    private static IEnumerable<string> Below(string directory)
    {
        EnumerationOptions options = new()
        {
            RecurseSubdirectories = true,
            IgnoreInaccessible = false,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
        };
        return Directory.EnumerateFiles(directory, "*", options)
            .OrderBy(file => Path.GetRelativePath(directory, file).Replace(Path.DirectorySeparatorChar, '/'), StringComparer.Ordinal);
    }

    private static string Show(IReadOnlyCollection<string> kinds) => string.Join(", ", kinds.SelectMany(kind => new[] { kind, kind + Compressed }));
}
