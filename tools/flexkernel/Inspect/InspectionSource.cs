using System.Text;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Model;

namespace FlexKernel.Cli.Inspect;

/// <summary>What was inspected.</summary>
/// <param name="Inspection">The findings.</param>
/// <param name="HasWeights">False when only a configuration was there: bytes are then those of <paramref name="AssumedType"/>.</param>
/// <param name="AssumedType">The type assumed, as safetensors writes it.</param>
internal sealed record InspectedModel(ModelInspection Inspection, bool HasWeights, string AssumedType);

/// <summary>Reads configuration and tensor headers, and nothing else.</summary>
internal static class InspectionSource
{
    private const string ConfigFile = "config.json";

    /// <summary>Inspects a directory, a weight file with its configuration beside it, or a configuration alone.</summary>
    /// <param name="path">The directory or file; null: the default model.</param>
    /// <param name="activeExperts">Inspects the model as if it ran this many experts per token; null: its own number.</param>
    /// <exception cref="CliException">There is nothing at the path.</exception>
    public static InspectedModel Read(string? path, int? activeExperts)
    {
        path ??= ModelLocator.Find(null);
        JsonElement overrides = Overrides(activeExperts);
        if (File.Exists(path))
        {
            string beside = Path.Combine(Path.GetDirectoryName(path) ?? "", ConfigFile);
            return path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
                ? Configuration(ModelConfigReader.Read(path, overrides), path)
                : Weights(ModelConfigReader.Read(beside, overrides), path);
        }

        if (!Directory.Exists(path))
        {
            throw CliException.NotLoaded($"'{path}' does not exist");
        }

        string config = Path.Combine(path, ConfigFile);
        ModelDescription description = ModelConfigReader.Read(config, overrides);
        return HoldsWeights(path) ? Weights(description, path) : Configuration(description, config);
    }

    // Anything that claims to be weights is opened, so that what is wrong with it is told.
    private static bool HoldsWeights(string directory) => Directory.EnumerateFiles(directory).Any(file =>
        Path.GetExtension(file) is ".safetensors" or ".bin" or ".pt" || Path.GetFileName(file) == WeightFiles.IndexFileName);

    private static InspectedModel Weights(ModelDescription description, string path)
    {
        using WeightFiles files = WeightFiles.Open(path);
        TensorShape[] shapes = TensorShape.Of(files);
        return new InspectedModel(ModelInspection.Of(description, shapes, path), HasWeights: true, "");
    }

    private static InspectedModel Configuration(ModelDescription description, string path)
    {
        string type = description.StoredType switch
        {
            "float32" => "F32",
            "float16" => "F16",
            _ => "BF16",
        };
        TensorShape[] shapes = [.. new TensorLayout(description).Tensors.Select(t => new TensorShape(t.Name, type, t.Shape))];
        return new InspectedModel(ModelInspection.Of(description, shapes, path), HasWeights: false, type);
    }

    private static JsonElement Overrides(int? activeExperts)
    {
        if (activeExperts is not { } k)
        {
            return default;
        }

        using JsonDocument document = JsonDocument.Parse(Encoding.UTF8.GetBytes($$"""{"num_experts_per_tok": {{k}}}"""));
        return document.RootElement.Clone();
    }
}
