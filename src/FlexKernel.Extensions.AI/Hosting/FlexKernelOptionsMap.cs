using System.Collections.Frozen;
using FlexKernel.Chat;
using FlexKernel.Embeddings;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;

namespace FlexKernel.Extensions.AI;

/// <summary>Makes of a host's options those of its parts.</summary>
internal static class FlexKernelOptionsMap
{
    public static string ModelId(this FlexKernelOptions options) => options.ModelId ?? ModelIds.Of(options.ModelPath);

    public static LanguageModelOptions Loading(this FlexKernelOptions options) => new()
    {
        Threads = options.Threads,
        Loading = new LoadOptions { Adapter = options.Adapter, Weights = options.Weights, Experts = options.Experts() },
        Transformer = new TransformerOptions { ContextLength = options.ContextLength, CacheTokens = options.CacheTokens },
    };

    public static FlexKernelChatOptions Chat(this FlexKernelOptions options) => new()
    {
        ModelId = options.ModelId(),
        Template = options.ChatTemplate is { } name ? ChatTemplate.BuiltIn(name) : null,
        Defaults = new GenerationOptions
        {
            MaxTokens = options.DefaultMaxOutputTokens,
            Sampling = new SamplingOptions { Temperature = options.DefaultTemperature, TopP = options.DefaultTopP },
            Experts = options.Experts(),
            ActiveExperts = options.ActiveExperts,
        },
    };

    public static FlexKernelEmbeddingOptions Embedding(this FlexKernelOptions options) => new()
    {
        ModelId = options.ModelId(),
        Defaults = new EmbeddingOptions
        {
            Pooling = options.EmbeddingPooling,
            Normalize = options.NormalizeEmbeddings,
            Experts = options.Experts(),
            ActiveExperts = options.ActiveExperts,
        },
    };

    public static ExpertSelection Experts(this FlexKernelOptions options) => new()
    {
        Allowed = options.AllowedExperts.Count > 0 ? options.AllowedExperts.ToFrozenSet() : null,
        Excluded = options.ExcludedExperts.ToFrozenSet(),
    };
}
