using System.Collections.Immutable;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Shapes of models to measure without having one.</summary>
internal static class BenchShapes
{
    /// <summary>The shape measured by default: large enough to leave every cache, small enough for every machine.</summary>
    public const string Default = "474m";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Default, "474m-mix", "474m-moe", "7b", "tiny"];

    /// <summary>The names for a person.</summary>
    public static string All => string.Join(", ", Names);

    /// <summary>A named shape, or that of a configuration file or a directory that holds one.</summary>
    /// <exception cref="CliException">It is neither.</exception>
    public static ModelDescription Find(string nameOrPath)
    {
        if (Names.Contains(nameOrPath))
        {
            return Named(nameOrPath);
        }

        string path = Directory.Exists(nameOrPath) ? Path.Combine(nameOrPath, "config.json") : nameOrPath;
        return File.Exists(path)
            ? ModelConfigReader.Read(path)
            : throw CliException.Usage($"--shape: expected {All} or a config.json, found '{nameOrPath}'");
    }

    private static ModelDescription Named(string name) => name switch
    {
        "474m-mix" => Medium(Mixture(name, 4, [0, 64, 64, 64, 64, 64, 64])),
        "474m-moe" => Medium(Mixture(name, 4, [0, 0, 0, 0])),
        "7b" => Create(4096, 11008, 32, 32, 100_352, null),
        "tiny" => Create(64, 128, 2, 4, 512, Mixture(name, 2, [0, 8, 8])),
        _ => Medium(null),
    };

    private static ModelDescription Medium(MixtureDescription? mixture) => Create(1024, 4096, 16, 16, 100_352, mixture);

    private static MixtureDescription Mixture(string name, int active, ImmutableArray<int> ranks) =>
        MixtureDescription.Create(name, active, renormalise: false, ranks);

    private static ModelDescription Create(
        int hidden, int intermediate, int layers, int heads, int vocabulary, MixtureDescription? mixture)
    {
        return new ModelDescription
        {
            ModelType = mixture is null ? "olmo2" : "flex_more",
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = intermediate,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadDimension = hidden / heads,
            MaxPositions = 4096,
            NormPlacement = NormPlacement.AfterBlock,
            QueryKeyNorm = true,
            NormEpsilon = 1e-6f,
            Rope = new RopeDescription { Theta = 500_000 },
            Mixture = mixture,
        };
    }
}
