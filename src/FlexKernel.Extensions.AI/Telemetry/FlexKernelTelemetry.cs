namespace FlexKernel.Extensions.AI;

/// <summary>
/// Every name that FlexKernel's telemetry uses, those of OpenTelemetry's conventions for generative AI (in development) included. The
/// <c>gen_ai.client</c> set is left to the telemetry wrapper of Microsoft.Extensions.AI.
/// </summary>
public static class FlexKernelTelemetry
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string Name = "FlexKernel";

    /// <summary>Histogram in seconds: from the request to its first token.</summary>
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";

    /// <summary>Histogram in seconds: the mean time per token after the first, of answers that ended by themselves.</summary>
    public const string TimePerOutputToken = "gen_ai.server.time_per_output_token";

    /// <summary>Histogram in seconds: from the request to its end, a slow reader's time included.</summary>
    public const string RequestDuration = "gen_ai.server.request.duration";

    /// <summary>Counter of traced requests: activations of an expert, one per token and layer, by expert and layer bucket.</summary>
    public const string ExpertTokens = "flexkernel.expert.tokens";

    /// <summary>Counter of traced requests: the sum of an expert's routing weights, by expert and layer bucket.</summary>
    public const string ExpertGateMass = "flexkernel.expert.gate_mass";

    internal const string Provider = "flexkernel";
    internal const string Chat = "chat";
    internal const string Embeddings = "embeddings";

    internal const string OperationName = "gen_ai.operation.name";
    internal const string ProviderName = "gen_ai.provider.name";
    internal const string RequestModel = "gen_ai.request.model";
    internal const string InputTokens = "gen_ai.usage.input_tokens";
    internal const string OutputTokens = "gen_ai.usage.output_tokens";
    internal const string CachedTokens = "gen_ai.usage.cache_read.input_tokens";
    internal const string FinishReasons = "gen_ai.response.finish_reasons";
    internal const string ErrorType = "error.type";
    internal const string Abandoned = "abandoned";
    internal const string Expert = "flexkernel.expert";
    internal const string LayerBucket = "flexkernel.layer_bucket";
}
