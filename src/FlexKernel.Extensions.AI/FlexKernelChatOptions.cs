using FlexKernel.Chat;
using FlexKernel.Generation;
using FlexKernel.Sampling;

namespace FlexKernel.Extensions.AI;

/// <summary>What a <see cref="FlexKernelChatClient"/> does where a request says nothing.</summary>
public sealed record FlexKernelChatOptions
{
    /// <summary>The temperature of a request that sets none.</summary>
    public const float DefaultTemperature = 0.8f;

    /// <summary>The top-p of a request that sets none.</summary>
    public const float DefaultTopP = 0.95f;

    /// <summary>
    /// The name of the model in answers and telemetry, which requests may ask for; by default that of its directory or architecture.
    /// </summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// How messages become a prompt. By default what the model directory ships, else <see cref="ChatTemplate.ImStart"/> where the
    /// tokenizer has its marks, else <see cref="ChatTemplate.Tulu"/>, whose marks are plain text.
    /// </summary>
    public ChatTemplate? Template { get; init; }

    /// <summary>
    /// The options of a request that sets none: temperature 0.8, top-p 0.95 and at most 256 tokens, unless given otherwise. Of the experts
    /// it is a bound: a request can leave out more, and cannot use one that is not in this selection.
    /// </summary>
    /// <exception cref="ArgumentException">The value holds a trace, which only one request can fill.</exception>
    public GenerationOptions Defaults
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value.Trace is null
                ? value
                : throw new ArgumentException("A trace records one request; ask for it there.", nameof(value));
        }
    } = new() { Sampling = new SamplingOptions { Temperature = DefaultTemperature, TopP = DefaultTopP } };

    /// <summary>What answers and templates read the time from.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
