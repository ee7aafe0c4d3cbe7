using System.CommandLine;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Options;

/// <summary>Options that mean the same in every verb.</summary>
internal static class CommonOptions
{
    /// <summary>Output for programs.</summary>
    public static Option<bool> Json(string description) => OptionFactory.Flag("--json", description);

    /// <summary>Nothing but what was asked for.</summary>
    public static Option<bool> Quiet() => OptionFactory.Flag("--quiet", "No progress and no closing line");

    /// <summary>A model directory, to be found by <see cref="ModelLocator"/>.</summary>
    public static Option<string?> Model(
        string description = "Model directory; by default 'models' here or above, up to the repository's root") =>
        OptionFactory.Text("--model", description, "DIR");

    /// <summary>The format weights are kept in.</summary>
    public static Option<WeightFormat?> Weights(
        string description = "Keep weights as f32, bf16, q8, q4 or q4c; by default as stored, which rounds nothing") =>
        OptionFactory.Value("--weights", description, "FORMAT", Parsers.Format);

    /// <summary>The format keys and values are kept in.</summary>
    public static Option<KvFormat?> CacheFormat() => OptionFactory.Value(
        "--kv", "Keep keys and values as f32, bf16, f16 or q8; f32, which rounds nothing, by default", "FORMAT", Parsers.KvFormat);

    /// <summary>k.</summary>
    public static Option<int?> ActiveExperts(string description = "Experts per token; the model's own number by default") =>
        OptionFactory.Value("--k", description, "N", Parsers.Integer(1));
}
