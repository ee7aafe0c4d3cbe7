using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace FlexKernel.Conversion;

/// <summary>Configurations of well-known sizes, and of small ones to try things with.</summary>
public static class ModelShapes
{
    internal const string ConfigName = "config.json";

    private const int Dolma2Rows = 100_352;
    private const int Dolma2End = 100_257;
    private const int Dolma2Padding = 100_277;

    private static readonly ImmutableArray<Shape> All =
    [
        new("474m", 1024, 4096, 16, 16, Dolma2Rows, 0, []),
        new("474m-mix", 1024, 4096, 16, 16, Dolma2Rows, 4, [0, 64, 64, 64, 64, 64, 64]),
        new("474m-moe", 1024, 4096, 16, 16, Dolma2Rows, 4, [0, 0, 0, 0]),
        new("7b", 4096, 11008, 32, 32, Dolma2Rows, 0, []),
        new("tiny", 64, 128, 2, 4, 512, 2, [0, 8, 8]),
        new("10m", 256, 704, 10, 8, 8192, 0, []),
        new("olmo2-7b", 4096, 11008, 32, 32, Dolma2Rows, 0, []),
        new("flexolmo-2x7b", 4096, 11008, 32, 32, Dolma2Rows, 2, [0, 0]),
        new("flexolmo-7x7b", 4096, 11008, 32, 32, Dolma2Rows, 7, [0, 0, 0, 0, 0, 0, 0]),
        new("flexmore-7x7b", 4096, 11008, 32, 32, Dolma2Rows, 7, [0, 64, 64, 64, 64, 64, 64]),
        new("flexmore-7x7b-selected", 4096, 11008, 32, 32, Dolma2Rows, 7, [0, 64, 16, 64, 32, 16, 32]),
    ];

    /// <summary>Gets all names.</summary>
    public static ImmutableArray<string> Names { get; } = [.. All.Select(shape => shape.Name)];

    /// <summary>Gives the <c>config.json</c> of a shape: dense OLMo 2, FlexOlmo, or FlexMoRE when an expert is low-rank.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <returns>The content, UTF-8.</returns>
    /// <exception cref="ArgumentException">There is no such shape.</exception>
    public static ReadOnlyMemory<byte> Config(string name)
    {
        Shape shape = All.FirstOrDefault(s => s.Name == name)
            ?? throw new ArgumentException($"Shape '{name}', expected one of {string.Join(", ", Names)}.", nameof(name));
        ConfigEditor config = new("{}"u8.ToArray(), ConfigName);
        config.Set("attention_bias", false);
        config.Set("hidden_act", "silu");
        config.Set("hidden_size", shape.Hidden);
        config.Set("initializer_range", 0.02);
        config.Set("intermediate_size", shape.Inner);
        config.Set("max_position_embeddings", 4096);
        config.Set("num_attention_heads", shape.Heads);
        config.Set("num_hidden_layers", shape.Layers);
        config.Set("num_key_value_heads", shape.Heads);
        config.Set("rms_norm_eps", 1e-6);
        config.Set("rope_theta", 500_000.0);
        config.Set("tie_word_embeddings", false);
        config.Set("vocab_size", shape.Vocabulary);
        if (shape.Vocabulary == Dolma2Rows)
        {
            config.Set("eos_token_id", Dolma2End);
            config.Set("pad_token_id", Dolma2Padding);
        }

        SetExperts(config, shape.Ranks);
        if (!shape.Ranks.IsEmpty)
        {
            config.Set("num_experts_per_tok", shape.Active);
            config.Set("norm_topk_prob", false);
        }

        return config.ToUtf8();
    }

    /// <summary>Makes a configuration that of a mixture of these ranks, or of a dense model when there is none.</summary>
    internal static void SetExperts(ConfigEditor config, ImmutableArray<int> ranks)
    {
        bool isLowRank = ranks.Any(rank => rank > 0);
        (string type, string architecture) = ranks.IsEmpty ? ("olmo2", "Olmo2ForCausalLM")
            : isLowRank ? ("flex_more", "FlexMoREForCausalLM")
            : ("flex_olmo", "FlexOlmoForCausalLM");
        config.Set("model_type", type);
        config.SetList("architectures", [architecture]);
        if (!ranks.IsEmpty)
        {
            config.Remove("num_local_experts");
            config.Set("num_experts", ranks.Length);
        }

        if (isLowRank)
        {
            config.SetList("expert_ranks", ranks.Select(rank => (JsonNode)rank));
        }
        else
        {
            config.Remove("expert_ranks");
        }
    }

    private sealed record Shape(
        string Name, int Hidden, int Inner, int Layers, int Heads, int Vocabulary, int Active, ImmutableArray<int> Ranks);
}
