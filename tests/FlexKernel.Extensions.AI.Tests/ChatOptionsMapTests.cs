using System.Text.Json;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

/// <summary>Every option of a request is done or refused by name.</summary>
public sealed class ChatOptionsMapTests(SharedModel shared)
{
    [Fact]
    public void Map_EveryTypedOption_ReachesItsPlace()
    {
        GenerationOptions mapped = Map(new ChatOptions
        {
            Temperature = 0.5f,
            TopP = 0.6f,
            TopK = 7,
            FrequencyPenalty = 0.8f,
            PresencePenalty = 0.9f,
            Seed = -10,
            MaxOutputTokens = 11,
            StopSequences = ["a", "b"],
            ModelId = "tiny",
        });

        SamplingOptions sampling = mapped.Sampling;
        Assert.Equal((0.5f, 0.6f, 7), (sampling.Temperature, sampling.TopP, sampling.TopK));
        Assert.Equal((0.8f, 0.9f, -10L), (sampling.FrequencyPenalty, sampling.PresencePenalty, sampling.Seed!.Value));
        Assert.Equal(1, sampling.RepetitionPenalty);
        Assert.Equal(11, mapped.MaxTokens);
        Assert.Equal(["a", "b"], mapped.StopStrings);
    }

    [Fact]
    public void Map_NothingSaid_GivesTheDocumentedDefaults()
    {
        GenerationOptions mapped = Map(new ChatOptions());

        Assert.Equal(new FlexKernelChatOptions().Defaults, mapped);
        Assert.Equal((0.8f, 0.95f, 256), (mapped.Sampling.Temperature, mapped.Sampling.TopP, mapped.MaxTokens));
        Assert.Null(mapped.Trace);
    }

    [Fact]
    public void Map_EveryKey_ReachesItsPlace()
    {
        GenerationOptions mapped = Map(new ChatOptions
        {
            AdditionalProperties = new()
            {
                [FlexKernelProperties.ExcludedExperts] = new List<string> { "medical", "3" },
                [FlexKernelProperties.AllowedExperts] = "public, math,medical",
                [FlexKernelProperties.ActiveExperts] = 3L,
                [FlexKernelProperties.Trace] = "true",
                [FlexKernelProperties.MinP] = 0.05,
                [FlexKernelProperties.TypicalP] = "0.5",
                [FlexKernelProperties.RepetitionPenalty] = 1.5f,
                [FlexKernelProperties.NoRepeatNgram] = JsonDocument.Parse("4").RootElement,
                [FlexKernelProperties.LogProbs] = 5,
                [FlexKernelProperties.IgnoreEndOfSequence] = JsonDocument.Parse("true").RootElement,
                ["of.another.layer"] = new object(),
            },
        });

        Assert.Equal(["3", "medical"], mapped.Experts.Excluded.Order());
        Assert.Equal(["math", "medical", "public"], mapped.Experts.Allowed!.Order());
        Assert.Equal(3, mapped.ActiveExperts);
        Assert.NotNull(mapped.Trace);
        Assert.Equal((0.05f, 0.5f, 1.5f), (mapped.Sampling.MinP, mapped.Sampling.TypicalP, mapped.Sampling.RepetitionPenalty));
        Assert.Equal((4, 5), (mapped.Sampling.NoRepeatNgram, mapped.Sampling.LogProbs));
        Assert.True(mapped.IgnoreEndOfSequence);
    }

    [Fact]
    public void Map_KeysThroughJson_EqualTypedOnes()
    {
        ChatOptions typed = new ChatOptions()
            .WithExperts(exclude: ["medical"], allow: ["public", "medical", "math"]).WithActiveExperts(1).WithRoutingTrace();
        ChatOptions read = JsonSerializer.Deserialize<ChatOptions>(
            JsonSerializer.Serialize(typed, AIJsonUtilities.DefaultOptions), AIJsonUtilities.DefaultOptions)!;

        GenerationOptions a = Map(typed), b = Map(read);

        Assert.Equal(a.Experts, b.Experts);
        Assert.Equal((1, true), (b.ActiveExperts, b.Trace is not null));
        Assert.Equal(1, a.ActiveExperts);
    }

    [Fact]
    public void Map_RawRepresentation_StandsInForTheDefaultsAndYieldsToWhatIsSaid()
    {
        RoutingTrace trace = new();
        GenerationOptions raw = new()
        {
            MaxTokens = 5,
            Sampling = new SamplingOptions { Temperature = 0.3f, MinP = 0.1f, TopK = 9 },
            StopStrings = ["raw"],
            StopIds = [3],
            ActiveExperts = 1,
            Trace = trace,
        };
        ChatOptions options = With(FlexKernelProperties.MinP, 0.2);
        options.RawRepresentationFactory = _ => raw;
        options.TopK = 2;

        GenerationOptions mapped = Map(options);

        Assert.Equal((5, 0.3f, 2, 0.2f), (mapped.MaxTokens, mapped.Sampling.Temperature, mapped.Sampling.TopK, mapped.Sampling.MinP));
        Assert.Equal((1f, 1), (mapped.Sampling.TopP, mapped.ActiveExperts!.Value));
        Assert.Equal(["raw"], mapped.StopStrings);
        Assert.Equal([3], mapped.StopIds);
        Assert.Same(trace, mapped.Trace);
        Assert.Equal(9, raw.Sampling.TopK);
    }

    [Fact]
    public void Map_RawRepresentationOfAnotherType_IsRefused()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => Map(new ChatOptions { RawRepresentationFactory = _ => "text" }));

        Assert.Contains("System.String", error.Message, StringComparison.Ordinal);
        Assert.Equal(256, Map(new ChatOptions { RawRepresentationFactory = _ => null }).MaxTokens);
    }

    public static TheoryData<string, ChatOptions> Unsupported => new()
    {
        { "Tools", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] } },
        { "Tools", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")], ToolMode = ChatToolMode.Auto } },
        { "ToolMode", new ChatOptions { ToolMode = ChatToolMode.RequireAny } },
        { "ToolMode", new ChatOptions { ToolMode = ChatToolMode.RequireSpecific("one") } },
        { "ResponseFormat", new ChatOptions { ResponseFormat = ChatResponseFormat.Json } },
        { "ResponseFormat", new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema<int>() } },
        { "ConversationId", new ChatOptions { ConversationId = "c" } },
        { "Reasoning", new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.Low } } },
        { "Reasoning", new ChatOptions { Reasoning = new ReasoningOptions { Output = ReasoningOutput.Full } } },
#pragma warning disable MEAI001 // Experimental, and refused.
        { "ContinuationToken", new ChatOptions { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) } },
#pragma warning restore MEAI001
    };

    [Theory]
    [MemberData(nameof(Unsupported), DisableDiscoveryEnumeration = true)]
    public async Task GetResponseAsync_UnsupportedOption_IsRefusedByName(string name, ChatOptions options)
    {
        using IChatClient client = shared.Client();

        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("x", options));

        Assert.Contains($"ChatOptions.{name} ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Map_VacuousRequests_AreAccepted()
    {
        GenerationOptions mapped = Map(new ChatOptions
        {
            Tools = [AIFunctionFactory.Create(() => 1, "one")],
            ToolMode = ChatToolMode.None,
            ResponseFormat = ChatResponseFormat.Text,
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None },
            AllowMultipleToolCalls = true,
        });

        Assert.Equal(new FlexKernelChatOptions().Defaults, mapped);
        Assert.Equal(mapped, Map(new ChatOptions { ToolMode = ChatToolMode.Auto, Tools = [] }));
    }

    public static TheoryData<string, ChatOptions> Invalid => new()
    {
        { "'other'", new ChatOptions { ModelId = "other" } },
        { "MaxOutputTokens is 0", new ChatOptions { MaxOutputTokens = 0 } },
        { "Temperature is -1", new ChatOptions { Temperature = -1 } },
        { "Temperature is NaN", new ChatOptions { Temperature = float.NaN } },
        { "TopP is 1.5", new ChatOptions { TopP = 1.5f } },
        { "TopK is -1", new ChatOptions { TopK = -1 } },
        { "FrequencyPenalty is 3", new ChatOptions { FrequencyPenalty = 3 } },
        { "PresencePenalty is -3", new ChatOptions { PresencePenalty = -3 } },
        { "stop string is empty", new ChatOptions { StopSequences = [""] } },
        { "unknown experts: astrology", new ChatOptions().WithExperts(exclude: ["astrology"]) },
        { "leaves no expert", new ChatOptions().WithExperts(allow: ["math"], exclude: ["math"]) },
        { "k is 7, expected 1 to 6", new ChatOptions().WithActiveExperts(7) },
        { "flexkernel.expert.exclude", With("flexkernel.expert.exclude", "math") },
        { "FlexKernel.k", With("FlexKernel.k", 1) },
        { "flexkernel.pooling", With(FlexKernelProperties.Pooling, "Mean") },
        { "flexkernel.k\"]: expected a whole number, found '1.5'", With(FlexKernelProperties.ActiveExperts, 1.5) },
        { "flexkernel.trace\"]: expected true or false, found '1'", With(FlexKernelProperties.Trace, 1) },
        { "flexkernel.min_p\"]: expected a number, found 'much'", With(FlexKernelProperties.MinP, "much") },
        { "flexkernel.experts.allow\"]: expected a list of names, found '7'", With(FlexKernelProperties.AllowedExperts, 7) },
        { "MinP is 2", With(FlexKernelProperties.MinP, 2) },
    };

    [Theory]
    [MemberData(nameof(Invalid), DisableDiscoveryEnumeration = true)]
    public async Task GetResponseAsync_InvalidValue_IsRefusedByName(string message, ChatOptions options)
    {
        using IChatClient client = shared.Client();

        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => client.GetResponseAsync("x", options));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<AIContent> Contents =>
    [
        new DataContent(new byte[] { 1 }, "image/png"),
        new UriContent("https://example.org/a.png", "image/png"),
        new FunctionCallContent("1", "one"),
        new FunctionResultContent("1", 1),
        new TextReasoningContent("hm"),
        new ErrorContent("no"),
    ];

    [Theory]
    [MemberData(nameof(Contents), DisableDiscoveryEnumeration = true)]
    public async Task GetResponseAsync_ContentOtherThanText_IsRefusedByName(AIContent content)
    {
        using IChatClient client = shared.Client();
        ChatMessage[] messages = [new(ChatRole.User, "Look:"), new(ChatRole.User, [new TextContent("this"), content])];

        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync(messages));

        Assert.Contains($"messages[1] holds {content.GetType().Name}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_Methods_LeaveTheOptionsGivenAlone()
    {
        ChatOptions options = new() { AdditionalProperties = new() { ["a"] = 1 } };

        ChatOptions changed = options.WithExperts(exclude: ["b", "a", "b"]).WithActiveExperts(2).WithRoutingTrace();

        Assert.Single(options.AdditionalProperties);
        Assert.Equal(4, changed.AdditionalProperties!.Count);
        Assert.Equal(["a", "b"], (string[])changed.AdditionalProperties[FlexKernelProperties.ExcludedExperts]!);
        Assert.Throws<ArgumentOutOfRangeException>(() => options.WithActiveExperts(0));
    }

    [Fact]
    public void Defaults_WithTrace_AreRefused() =>
        Assert.Throws<ArgumentException>(() => new FlexKernelChatOptions { Defaults = new() { Trace = new RoutingTrace() } });

    [Fact]
    public void Within_Bound_CannotBeWidened()
    {
        ExpertSelection bound = new() { Excluded = ["medical"] };

        ExpertSelection all = ExpertBounds.Within(bound, ExpertSelection.All, shared.Model.Experts);
        ExpertSelection named = ExpertBounds.Within(bound, new() { Allowed = ["5", "math"] }, shared.Model.Experts);
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => ExpertBounds.Within(bound, new() { Allowed = ["medical"] }, shared.Model.Experts));

        Assert.Equal([0, 1, 2, 3, 4], all.Resolve(shared.Model.Experts));
        Assert.Equal([2], named.Resolve(shared.Model.Experts));
        Assert.Contains("public, code, math, legal, danish", error.Message, StringComparison.Ordinal);
    }

    private static ChatOptions With(string key, object value) => new() { AdditionalProperties = new() { [key] = value } };

    private GenerationOptions Map(ChatOptions options)
    {
        using IChatClient client = shared.Client();
        return ChatOptionsMap.Map(options, new FlexKernelChatOptions().Defaults, client, "tiny", shared.Model.Experts);
    }
}
