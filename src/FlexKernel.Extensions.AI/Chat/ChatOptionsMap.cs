using System.Collections.Frozen;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using Microsoft.Extensions.AI;
using Keys = FlexKernel.Extensions.AI.FlexKernelProperties;
using Setter = System.Func<FlexKernel.Generation.GenerationOptions, object, FlexKernel.Generation.GenerationOptions>;

namespace FlexKernel.Extensions.AI;

/// <summary>Makes engine options of a request's options, and refuses by name what the engine cannot do.</summary>
internal static class ChatOptionsMap
{
    private static readonly PropertyReader<GenerationOptions> Properties = new(new Dictionary<string, Setter>
    {
        [Keys.ExcludedExperts] = static (o, v) =>
            o with { Experts = o.Experts with { Excluded = PropertyValue.Names(Keys.ExcludedExperts, v).ToFrozenSet() } },
        [Keys.AllowedExperts] = static (o, v) =>
            o with { Experts = o.Experts with { Allowed = PropertyValue.Names(Keys.AllowedExperts, v).ToFrozenSet() } },
        [Keys.ActiveExperts] = static (o, v) => o with { ActiveExperts = PropertyValue.Integer(Keys.ActiveExperts, v) },
        [Keys.Trace] = static (o, v) => o with { Trace = PropertyValue.Flag(Keys.Trace, v) ? o.Trace ?? new RoutingTrace() : null },
        [Keys.IgnoreEndOfSequence] = static (o, v) => o with { IgnoreEndOfSequence = PropertyValue.Flag(Keys.IgnoreEndOfSequence, v) },
        [Keys.MinP] = static (o, v) => o with { Sampling = o.Sampling with { MinP = PropertyValue.Number(Keys.MinP, v) } },
        [Keys.TypicalP] = static (o, v) => o with { Sampling = o.Sampling with { TypicalP = PropertyValue.Number(Keys.TypicalP, v) } },
        [Keys.RepetitionPenalty] = static (o, v) =>
            o with { Sampling = o.Sampling with { RepetitionPenalty = PropertyValue.Number(Keys.RepetitionPenalty, v) } },
        [Keys.NoRepeatNgram] = static (o, v) =>
            o with { Sampling = o.Sampling with { NoRepeatNgram = PropertyValue.Integer(Keys.NoRepeatNgram, v) } },
        [Keys.LogProbs] = static (o, v) => o with { Sampling = o.Sampling with { LogProbs = PropertyValue.Integer(Keys.LogProbs, v) } },
    });

    /// <summary>The engine options of a request.</summary>
    /// <param name="options">What the request says; not changed.</param>
    /// <param name="defaults">What holds where it says nothing.</param>
    /// <param name="client">Passed to the request's factory of engine options.</param>
    /// <param name="modelId">The model there is.</param>
    /// <param name="experts">The experts there are.</param>
    /// <exception cref="NotSupportedException">The request asks for something that the engine cannot do.</exception>
    /// <exception cref="ArgumentException">A value is out of range, or names a model, expert or property that does not exist.</exception>
    public static GenerationOptions Map(
        ChatOptions? options, GenerationOptions defaults, IChatClient client, string modelId, ExpertCatalogue experts)
    {
        if (options is null)
        {
            return defaults;
        }

        Refuse(options);
        if (options.ModelId is { } wanted && wanted != modelId)
        {
            throw new ArgumentException($"ChatOptions.ModelId is '{wanted}'; this client runs '{modelId}'.", nameof(options));
        }

        GenerationOptions result = Properties.Apply(Typed(options, Raw(options, client) ?? defaults), options.AdditionalProperties);
        if (result.Trace is not null && experts.Count == 0)
        {
            throw new ArgumentException("The model is dense: it has no experts to trace.", nameof(options));
        }

        return result with { Experts = ExpertBounds.Within(defaults.Experts, result.Experts, experts) };
    }

    private static GenerationOptions? Raw(ChatOptions options, IChatClient client) =>
        options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => null,
            GenerationOptions raw => raw,
            object other => throw new ArgumentException(
                $"ChatOptions.RawRepresentationFactory returned {other.GetType()}, expected {typeof(GenerationOptions)}.", nameof(options)),
        };

    private static GenerationOptions Typed(ChatOptions options, GenerationOptions basis)
    {
        if (options.MaxOutputTokens < 1)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), $"ChatOptions.MaxOutputTokens is {options.MaxOutputTokens}; it must be at least 1.");
        }

        SamplingOptions sampling = basis.Sampling;
        return basis with
        {
            MaxTokens = options.MaxOutputTokens ?? basis.MaxTokens,
            StopStrings = options.StopSequences is { } stops ? [.. stops] : basis.StopStrings,
            Sampling = sampling with
            {
                Temperature = options.Temperature ?? sampling.Temperature,
                TopP = options.TopP ?? sampling.TopP,
                TopK = options.TopK ?? sampling.TopK,
                FrequencyPenalty = options.FrequencyPenalty ?? sampling.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty ?? sampling.PresencePenalty,
                Seed = options.Seed ?? sampling.Seed,
            },
        };
    }

    private static void Refuse(ChatOptions options)
    {
        if (options.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode)
        {
            throw Unsupported(nameof(ChatOptions.Tools), "the engine calls no tools; ChatToolMode.None passes them by");
        }

        if (options.ToolMode is RequiredChatToolMode)
        {
            throw Unsupported(nameof(ChatOptions.ToolMode), "the engine calls no tools");
        }

        if (options.ResponseFormat is not (null or ChatResponseFormatText))
        {
            throw Unsupported(nameof(ChatOptions.ResponseFormat), "only text can be written");
        }

        if (options.ConversationId is not null)
        {
            throw Unsupported(nameof(ChatOptions.ConversationId), "no conversation is kept; send its messages");
        }

        if (options.Reasoning is not (null or { Effort: null or ReasoningEffort.None, Output: null or ReasoningOutput.None }))
        {
            throw Unsupported(nameof(ChatOptions.Reasoning), "the models do not reason apart from their answer");
        }

#pragma warning disable MEAI001 // An experimental property: to refuse it is the only use made of it.
        if (options.ContinuationToken is not null)
        {
            throw Unsupported(nameof(ChatOptions.ContinuationToken), "answers are not kept");
        }
#pragma warning restore MEAI001
    }

    private static NotSupportedException Unsupported(string option, string reason) =>
        new($"ChatOptions.{option} is not supported: {reason}.");
}
