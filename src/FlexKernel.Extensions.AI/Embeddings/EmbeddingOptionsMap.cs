using System.Collections.Frozen;
using FlexKernel.Embeddings;
using Microsoft.Extensions.AI;
using Keys = FlexKernel.Extensions.AI.FlexKernelProperties;
using Setter = System.Func<FlexKernel.Embeddings.EmbeddingOptions, object, FlexKernel.Embeddings.EmbeddingOptions>;

namespace FlexKernel.Extensions.AI;

/// <summary>Makes engine options of an embedding request's options.</summary>
internal static class EmbeddingOptionsMap
{
    private static readonly PropertyReader<EmbeddingOptions> Properties = new(new Dictionary<string, Setter>
    {
        [Keys.ExcludedExperts] = static (o, v) =>
            o with { Experts = o.Experts with { Excluded = PropertyValue.Names(Keys.ExcludedExperts, v).ToFrozenSet() } },
        [Keys.AllowedExperts] = static (o, v) =>
            o with { Experts = o.Experts with { Allowed = PropertyValue.Names(Keys.AllowedExperts, v).ToFrozenSet() } },
        [Keys.ActiveExperts] = static (o, v) => o with { ActiveExperts = PropertyValue.Integer(Keys.ActiveExperts, v) },
        [Keys.Pooling] = static (o, v) => o with { Pooling = PropertyValue.Choice<Pooling>(Keys.Pooling, v) },
        [Keys.Normalize] = static (o, v) => o with { Normalize = PropertyValue.Flag(Keys.Normalize, v) },
        [Keys.Truncate] = static (o, v) => o with { Truncate = PropertyValue.Flag(Keys.Truncate, v) },
    });

    /// <summary>The engine options of a request.</summary>
    /// <param name="options">What the request says; not changed.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    /// <param name="generator">Passed to the request's factory of engine options.</param>
    /// <param name="modelId">The model there is.</param>
    /// <param name="model">The model there is.</param>
    /// <param name="largest">The size of its vectors.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than 1 or more dimensions are wanted than there are.</exception>
    /// <exception cref="ArgumentException">A value names a model, expert or property that does not exist.</exception>
    public static EmbeddingOptions Map(
        EmbeddingGenerationOptions? options,
        EmbeddingOptions defaults,
        IEmbeddingGenerator generator,
        string modelId,
        LanguageModel model,
        int largest)
    {
        if (options?.ModelId is { } wanted && wanted != modelId)
        {
            throw new ArgumentException(
                $"EmbeddingGenerationOptions.ModelId is '{wanted}'; this generator runs '{modelId}'.", nameof(options));
        }

        EmbeddingOptions result = Properties.Apply(Raw(options, generator) ?? defaults, options?.AdditionalProperties);
        int? dimensions = options?.Dimensions ?? result.Dimensions;
        if (dimensions < 1 || dimensions > largest)
        {
            throw new ArgumentOutOfRangeException(nameof(options), $"Dimensions is {dimensions}; it must be from 1 to {largest}.");
        }

        return result with { Dimensions = dimensions, Experts = ExpertBounds.Within(defaults.Experts, result.Experts, model.Experts) };
    }

    private static EmbeddingOptions? Raw(EmbeddingGenerationOptions? options, IEmbeddingGenerator generator) =>
        options?.RawRepresentationFactory?.Invoke(generator) switch
        {
            null => null,
            EmbeddingOptions raw => raw,
            object other => throw new ArgumentException(
                $"EmbeddingGenerationOptions.RawRepresentationFactory returned {other.GetType()}, expected {typeof(EmbeddingOptions)}.",
                nameof(options)),
        };
}
