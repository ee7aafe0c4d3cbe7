using FlexKernel.Conversion;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Shapes of models to measure without having one.</summary>
internal static class BenchShapes
{
    /// <summary>The shape measured by default: large enough to leave every cache, small enough for every machine.</summary>
    public const string Default = "474m";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names => ModelShapes.Names;

    /// <summary>The names for a person.</summary>
    public static string All => string.Join(", ", Names);

    /// <summary>A named shape, or that of a configuration file or a directory that holds one.</summary>
    /// <param name="nameOrPath">The name or path.</param>
    /// <param name="option">Who asks, for errors.</param>
    /// <exception cref="CliException">It is neither.</exception>
    public static ModelDescription Find(string nameOrPath, string option = "--shape")
    {
        if (Names.Contains(nameOrPath))
        {
            return ModelConfigReader.Read(ModelShapes.Config(nameOrPath), nameOrPath);
        }

        string path = Directory.Exists(nameOrPath) ? Path.Combine(nameOrPath, "config.json") : nameOrPath;
        return File.Exists(path)
            ? ModelConfigReader.Read(path)
            : throw CliException.Usage($"{option}: expected {All} or a config.json, found '{nameOrPath}'");
    }
}
