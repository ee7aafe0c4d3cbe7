using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Model;

namespace FlexKernel.Tests.Model;

/// <summary>Configurations for tests: the golden ones, edited ones, and full-size ones of any ranks.</summary>
internal static class ModelFixtures
{
    /// <summary>Every golden model configuration that describes its case in full, as paths below the fixtures folder.</summary>
    public static readonly string[] Cases =
    [
        "flexmore-bf16", "flexmore-chained", "flexmore-f16", "flexmore-mixed", "flexmore-overrank", "flexolmo-e2", "flexolmo-e3-gqa",
        "flexolmo-e7-allk", "flexolmo-eps", "flexolmo-headdim-fused", "flexolmo-subsets", "llama-bias", "llama-rope", "mixtral", "olmo2",
        "olmoe", "tiny-mixture",
    ];

    public static string ConfigPath(string name, string file = "config.json") => TestData.Fixture($"models/{name}/{file}");

    public static ModelDescription Read(string name, string file = "config.json", string overrides = "{}") =>
        ModelConfigReader.Read(ConfigPath(name, file), Json(overrides));

    /// <summary>Reads a golden configuration after setting a key, or after removing it when <paramref name="value"/> is null.</summary>
    public static ModelDescription ReadEdited(string name, string key, string? value)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(ConfigPath(name)))!.AsObject();
        config.Remove(key);
        if (value is not null)
        {
            config[key] = JsonNode.Parse(value);
        }

        return ModelConfigReader.Read(Encoding.UTF8.GetBytes(config.ToJsonString()), "edited.json");
    }

    public static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>A mixture of the released dimensions: rank 0 is a full expert, all bases are expert 0.</summary>
    public static ModelDescription SevenBillion(ReadOnlySpan<int> ranks, int vocabulary = 100352) => Dense(vocabulary) with
    {
        ModelType = "flex_more",
        Mixture = MixtureDescription.Create("test", 1, false, ranks.ToImmutableArray()),
    };

    /// <summary>The dense model of the released dimensions.</summary>
    public static ModelDescription Dense(int vocabulary = 100352) => new()
    {
        ModelType = "olmo2",
        VocabularySize = vocabulary,
        HiddenSize = 4096,
        IntermediateSize = 11008,
        LayerCount = 32,
        HeadCount = 32,
        KeyValueHeadCount = 32,
        HeadDimension = 128,
        MaxPositions = 4096,
        NormPlacement = NormPlacement.AfterBlock,
        QueryKeyNorm = true,
        NormEpsilon = 1e-6f,
        Rope = new RopeDescription { Theta = 500000 },
    };

    /// <summary>One full expert and six of one rank, as in the tables of the specification.</summary>
    public static int[] OneFullAndSix(int rank) => [0, rank, rank, rank, rank, rank, rank];

    /// <summary>The headers a checkpoint of this description would have.</summary>
    public static List<TensorShape> Headers(ModelDescription description, string type = "F32") =>
        [.. new TensorLayout(description).Tensors.Select(t => new TensorShape(t.Name, type, t.Shape))];
}
