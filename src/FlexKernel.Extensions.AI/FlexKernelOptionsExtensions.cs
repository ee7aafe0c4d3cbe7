using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Expert options for requests, typed. Each method returns a changed copy and leaves the options given as they are.</summary>
/// <remarks>
/// They are kept as <see cref="FlexKernelProperties"/>, which wrappers see: a caching wrapper never hands the answer of one selection of
/// experts to another, as it would with options hidden in a <see cref="ChatOptions.RawRepresentationFactory"/>.
/// </remarks>
public static class FlexKernelOptionsExtensions
{
    /// <summary>Says which experts a chat request may use.</summary>
    /// <param name="options">The options to start from.</param>
    /// <param name="exclude">Experts that are absent for this request, by name or index; null leaves what was said before.</param>
    /// <param name="allow">The only experts it may use; null leaves what was said before.</param>
    public static ChatOptions WithExperts(this ChatOptions options, IEnumerable<string>? exclude = null, IEnumerable<string>? allow = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ChatOptions copy = options.Clone();
        Put(copy.AdditionalProperties ??= [], exclude, allow);
        return copy;
    }

    /// <summary>Says how many experts run per token of a chat request.</summary>
    /// <param name="options">The options to start from.</param>
    /// <param name="count">From 1 to the number of experts.</param>
    public static ChatOptions WithActiveExperts(this ChatOptions options, int count)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ChatOptions copy = options.Clone();
        (copy.AdditionalProperties ??= [])[FlexKernelProperties.ActiveExperts] = count;
        return copy;
    }

    /// <summary>Records the router's choices, for <see cref="FlexKernelResponseExtensions"/> and the usage counts.</summary>
    /// <param name="options">The options to start from.</param>
    public static ChatOptions WithRoutingTrace(this ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ChatOptions copy = options.Clone();
        (copy.AdditionalProperties ??= [])[FlexKernelProperties.Trace] = true;
        return copy;
    }

    /// <summary>Says which experts an embedding request may use.</summary>
    /// <inheritdoc cref="WithExperts(ChatOptions, IEnumerable{string}?, IEnumerable{string}?)" path="/param"/>
    public static EmbeddingGenerationOptions WithExperts(
        this EmbeddingGenerationOptions options, IEnumerable<string>? exclude = null, IEnumerable<string>? allow = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        EmbeddingGenerationOptions copy = options.Clone();
        Put(copy.AdditionalProperties ??= [], exclude, allow);
        return copy;
    }

    /// <summary>Says how many experts run per token of an embedding request.</summary>
    /// <inheritdoc cref="WithActiveExperts(ChatOptions, int)" path="/param"/>
    public static EmbeddingGenerationOptions WithActiveExperts(this EmbeddingGenerationOptions options, int count)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        EmbeddingGenerationOptions copy = options.Clone();
        (copy.AdditionalProperties ??= [])[FlexKernelProperties.ActiveExperts] = count;
        return copy;
    }

    // Sorted, so that the same selection is the same key of a cache.
    private static void Put(AdditionalPropertiesDictionary properties, IEnumerable<string>? exclude, IEnumerable<string>? allow)
    {
        if (exclude is not null)
        {
            properties[FlexKernelProperties.ExcludedExperts] = exclude.Distinct().Order(StringComparer.Ordinal).ToArray();
        }

        if (allow is not null)
        {
            properties[FlexKernelProperties.AllowedExperts] = allow.Distinct().Order(StringComparer.Ordinal).ToArray();
        }
    }
}
