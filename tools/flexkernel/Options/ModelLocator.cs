namespace FlexKernel.Cli.Options;

/// <summary>Finds the model directory to use.</summary>
internal static class ModelLocator
{
    private const string DefaultFolder = "models";
    private const string ConfigFile = "config.json";
    private static readonly string[] RepositoryMarks = [".git", "FlexKernel.sln"];

    /// <summary>The directory given, or the default one.</summary>
    /// <param name="given">What the user asked for, or null.</param>
    /// <exception cref="CliException">There is no such directory.</exception>
    public static string Find(string? given) =>
        given is null ? FindDefault(Environment.CurrentDirectory, AppContext.BaseDirectory)
        : Directory.Exists(given) ? given
        : throw CliException.NotLoaded($"model directory '{given}' does not exist; --model names one with {ConfigFile}, safetensors weights and tokenizer.json");

    /// <summary>Looks for <c>models/</c> from a directory upwards to the root of its repository, then beside the program.</summary>
    /// <exception cref="CliException">There is none.</exception>
    public static string FindDefault(string start, string programDirectory)
    {
        for (string? folder = start; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string models = Path.Combine(folder, DefaultFolder);
            if (File.Exists(Path.Combine(models, ConfigFile)))
            {
                return folder == start ? DefaultFolder : models;
            }

            if (RepositoryMarks.Any(mark => Path.Exists(Path.Combine(folder, mark))))
            {
                break;
            }
        }

        string beside = Path.Combine(programDirectory, DefaultFolder);
        return File.Exists(Path.Combine(beside, ConfigFile))
            ? beside
            : throw CliException.NotLoaded(
                $"no model found: no '{DefaultFolder}' here, above or beside the program; "
                + $"name one with --model DIR, a directory with {ConfigFile}, safetensors weights and tokenizer.json");
    }
}
