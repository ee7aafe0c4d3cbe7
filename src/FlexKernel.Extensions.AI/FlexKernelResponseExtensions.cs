using FlexKernel.Generation;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>What the engine knows about an answer beyond Microsoft.Extensions.AI.</summary>
public sealed record FlexKernelChatResult
{
    /// <summary>Tokens, seed and stop string.</summary>
    public required GenerationTotals Totals { get; init; }

    /// <summary>The router's choices; null unless the request asked for them.</summary>
    public RoutingTrace? Trace { get; init; }
}

/// <summary>Reads who did the work from answers.</summary>
public static class FlexKernelResponseExtensions
{
    /// <summary>The router's choices for an answer of <see cref="IChatClient.GetResponseAsync"/>; null when it was not traced.</summary>
    /// <param name="response">The answer; one put together from updates holds no trace, its last update does.</param>
    public static RoutingTrace? GetRoutingTrace(this ChatResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return (response.RawRepresentation as FlexKernelChatResult)?.Trace;
    }

    /// <summary>The router's choices; on the last update of a traced answer, else null.</summary>
    /// <param name="update">The update.</param>
    public static RoutingTrace? GetRoutingTrace(this ChatResponseUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        return (update.RawRepresentation as FlexKernelChatResult)?.Trace;
    }

    /// <summary>How often each expert ran, one per token and layer; empty when the request was not traced.</summary>
    /// <param name="usage">The usage of one answer, or the sum of several.</param>
    public static IReadOnlyDictionary<string, long> GetExpertTokens(this UsageDetails usage)
    {
        ArgumentNullException.ThrowIfNull(usage);
        Dictionary<string, long> tokens = [];
        foreach ((string key, long count) in usage.AdditionalCounts ?? [])
        {
            if (key.StartsWith(FlexKernelProperties.ExpertTokens, StringComparison.Ordinal))
            {
                tokens[key[FlexKernelProperties.ExpertTokens.Length..]] = count;
            }
        }

        return tokens;
    }

    /// <summary>Each expert's share of all activations, from 0 to 1; empty when the request was not traced.</summary>
    /// <inheritdoc cref="GetExpertTokens" path="/param"/>
    public static IReadOnlyDictionary<string, double> GetExpertShares(this UsageDetails usage)
    {
        IReadOnlyDictionary<string, long> tokens = GetExpertTokens(usage);
        long all = Math.Max(tokens.Values.Sum(), 1);
        return tokens.ToDictionary(expert => expert.Key, expert => (double)expert.Value / all);
    }
}
