using System.ComponentModel.DataAnnotations;
using FlexKernel.Embeddings;
using FlexKernel.Generation;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Extensions.AI;

/// <summary>How a host loads and runs a model: the section <c>FlexKernel</c> of its configuration.</summary>
public sealed class FlexKernelOptions
{
    /// <summary>The name of the configuration section.</summary>
    public const string SectionName = "FlexKernel";

    /// <summary>The model directory: <c>config.json</c>, safetensors weights, <c>tokenizer.json</c>.</summary>
    [Required(ErrorMessage = "ModelPath is missing: the directory of the model.")]
    public string ModelPath { get; set; } = "";

    /// <summary>The directory of a LoRA adapter to merge while the model loads; see <see cref="LoadOptions.Adapter"/>. None by default.</summary>
    public string? Adapter { get; set; }

    /// <summary>The name of the model in answers and telemetry; the directory's by default.</summary>
    public string? ModelId { get; set; }

    /// <summary>Worker threads, from 1 to 1024; one per processor by default.</summary>
    [Range(1, 1024)]
    public int? Threads { get; set; }

    /// <summary>The format weights are kept in; by default as stored.</summary>
    public WeightFormat? Weights { get; set; }

    /// <summary>The most tokens of one conversation, at least 2; the model's own limit by default, and at most that.</summary>
    [Range(2, int.MaxValue)]
    public int? ContextLength { get; set; }

    /// <summary>Tokens the key/value cache holds for all requests, at least 64; one conversation of full length by default.</summary>
    [Range(64, int.MaxValue)]
    public int? CacheTokens { get; set; }

    /// <summary>A built-in chat template, <c>im_start</c> or <c>tulu</c>; see <see cref="FlexKernelChatOptions.Template"/>.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>The most tokens of an answer whose request sets no limit, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int DefaultMaxOutputTokens { get; set; } = new GenerationOptions().MaxTokens;

    /// <summary>The temperature of a request that sets none, from 0 to 100.</summary>
    [Range(0.0, 100.0)]
    public float DefaultTemperature { get; set; } = FlexKernelChatOptions.DefaultTemperature;

    /// <summary>The top-p of a request that sets none, from 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public float DefaultTopP { get; set; } = FlexKernelChatOptions.DefaultTopP;

    /// <summary>Experts that no request may use, by name or index.</summary>
    public IList<string> ExcludedExperts { get; } = [];

    /// <summary>The only experts that requests may use, by name or index; empty: all that are not excluded.</summary>
    public IList<string> AllowedExperts { get; } = [];

    /// <summary>How many experts run per token where a request does not say; the model's own number by default.</summary>
    [Range(1, int.MaxValue)]
    public int? ActiveExperts { get; set; }

    /// <summary>How a text's tokens become its embedding.</summary>
    public Pooling EmbeddingPooling { get; set; }

    /// <summary>Whether embeddings get length 1; on by default.</summary>
    public bool NormalizeEmbeddings { get; set; } = true;

    /// <summary>Whether a few tokens are written after loading, so that the first request is not the slow one; on by default.</summary>
    public bool WarmUp { get; set; } = true;
}
