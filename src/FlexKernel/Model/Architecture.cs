using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>How an architecture decides whether the weights of the chosen experts are divided by their sum.</summary>
internal enum Renormalisation
{
    ByKey,
    Always,
}

/// <summary>Tensor names of a feed-forward network or a mixture, below <c>model.layers.N.</c>.</summary>
/// <param name="Prefix">What precedes the expert index, or the projection in a dense network.</param>
/// <param name="Gate">The name of the gate projection.</param>
/// <param name="Up">The name of the up projection.</param>
/// <param name="Down">The name of the down projection.</param>
/// <param name="Router">The router; null for a dense network.</param>
/// <param name="AllowsFused">True when all experts of a layer may come as two 3-D tensors.</param>
internal sealed record FeedForwardNames(string Prefix, string Gate, string Up, string Down, string? Router, bool AllowsFused)
{
    public static FeedForwardNames Dense { get; } = new("mlp.", "gate_proj", "up_proj", "down_proj", null, false);

    public static FeedForwardNames Experts { get; } =
        new("mlp.experts.", "gate_proj", "up_proj", "down_proj", "mlp.gate.weight", true);

    public static FeedForwardNames BlockSparse { get; } =
        new("block_sparse_moe.experts.", "w1", "w3", "w2", "block_sparse_moe.gate.weight", false);
}

/// <summary>One row per supported model type: what the transformer, the configuration reader and the tensor layout must know.</summary>
internal sealed record Architecture
{
    private const string Unscaled = "default";

    private static readonly Architecture Olmo2Block = new()
    {
        ModelType = "olmo2",
        NormPlacement = NormPlacement.AfterBlock,
        QueryKeyNorm = true,
        HonoursAttentionBias = true,
        DefaultTheta = 10000,
        FeedForward = FeedForwardNames.Dense,
    };

    private static readonly Architecture LlamaBlock = new()
    {
        ModelType = "llama",
        NormPlacement = NormPlacement.BeforeBlock,
        QueryKeyNorm = false,
        HonoursAttentionBias = true,
        HonoursFeedForwardBias = true,
        DefaultTheta = 10000,
        RopeTypes = [Unscaled, "linear", "llama3"],
        FeedForward = FeedForwardNames.Dense,
    };

    private static readonly Architecture FlexOlmo = Olmo2Block with
    {
        ModelType = "flex_olmo",
        DefaultTheta = 500000,
        FeedForward = FeedForwardNames.Experts,
    };

    private static readonly Architecture[] All =
    [
        Olmo2Block,
        LlamaBlock,
        FlexOlmo,
        FlexOlmo with { ModelType = "flex_more", Alias = "flexmore", AllowsLowRank = true },
        LlamaBlock with
        {
            ModelType = "olmoe",
            QueryKeyNorm = true,
            HonoursClipQkv = true,
            HonoursFeedForwardBias = false,
            FeedForward = FeedForwardNames.Experts,
        },
        LlamaBlock with
        {
            ModelType = "mixtral",
            DefaultTheta = 1000000,
            HonoursAttentionBias = false,
            HonoursFeedForwardBias = false,
            HonoursSlidingWindow = true,
            Renormalisation = Renormalisation.Always,
            FeedForward = FeedForwardNames.BlockSparse,
        },
    ];

    public required string ModelType { get; init; }

    public string? Alias { get; init; }

    public required NormPlacement NormPlacement { get; init; }

    public required bool QueryKeyNorm { get; init; }

    public required double DefaultTheta { get; init; }

    public required FeedForwardNames FeedForward { get; init; }

    public ImmutableArray<string> RopeTypes { get; init; } = [Unscaled];

    public Renormalisation Renormalisation { get; init; }

    public bool AllowsLowRank { get; init; }

    public bool HonoursClipQkv { get; init; }

    public bool HonoursSlidingWindow { get; init; }

    public bool HonoursAttentionBias { get; init; }

    public bool HonoursFeedForwardBias { get; init; }

    public bool IsMixture => FeedForward.Router is not null;

    public static string KnownTypes => string.Join(", ", All.Select(a => a.Alias is null ? a.ModelType : $"{a.ModelType} ({a.Alias})"));

    public static Architecture? Find(string modelType) => All.FirstOrDefault(a => a.ModelType == modelType || a.Alias == modelType);
}
