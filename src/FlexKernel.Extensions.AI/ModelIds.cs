namespace FlexKernel.Extensions.AI;

/// <summary>Names models after their directories.</summary>
internal static class ModelIds
{
    public static string Of(string directory) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
}
