using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

/// <summary>The contract of <see cref="IChatClient"/>; the names follow the integration tests of Microsoft.Extensions.AI.</summary>
public sealed class ChatClientTests(SharedModel shared)
{
    [Fact]
    public async Task GetResponseAsync_SingleRequestMessage_AnswersWithAllFields()
    {
        using IChatClient client = shared.Client();

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt);

        ChatMessage message = Assert.Single(response.Messages);
        Assert.NotEmpty(response.Text);
        Assert.Equal(ChatRole.Assistant, message.Role);
        Assert.NotEmpty(message.MessageId!);
        Assert.NotEmpty(response.ResponseId!);
        Assert.Equal("tiny", response.ModelId);
        Assert.InRange(response.CreatedAt!.Value, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow);
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.IsType<FlexKernelChatResult>(response.RawRepresentation);
    }

    [Fact]
    public async Task GetResponseAsync_MultipleRequestMessages_AllReachThePrompt()
    {
        using IChatClient client = shared.Client();

        ChatResponse one = await client.GetResponseAsync("The patient was given the");
        ChatResponse three = await client.GetResponseAsync(
            [new(ChatRole.User, "The patient"), new(ChatRole.Assistant, " was given"), new(ChatRole.User, " the")]);

        Assert.Equal(one.Text, three.Text);
    }

    [Fact]
    public async Task GetResponseAsync_WithEmptyMessage_IsAnEmptyTurn()
    {
        using IChatClient client = shared.Model.AsIChatClient();

        ChatResponse response = await client.GetResponseAsync([new(ChatRole.User, [])], new ChatOptions { MaxOutputTokens = 2 });

        Assert.True(response.Usage!.InputTokenCount > 0);
    }

    [Fact]
    public async Task GetStreamingResponseAsync_Updates_ShareIdsAndJoinToTheResponse()
    {
        using IChatClient client = shared.Client();

        ChatResponse whole = await client.GetResponseAsync(SharedModel.Prompt);
        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(client.GetStreamingResponseAsync(SharedModel.Prompt));

        Assert.True(updates.Count > 10, "the answer did not stream");
        Assert.Equal(whole.Text, string.Concat(updates.Select(u => u.Text)));
        Assert.Single(updates.Select(u => (u.MessageId, u.ResponseId, u.ModelId, u.CreatedAt, u.Role)).Distinct());
        Assert.NotNull(updates[0].CreatedAt);
        Assert.Equal(ChatRole.Assistant, updates[0].Role);
        Assert.All(updates.SkipLast(1), u => Assert.Null(u.FinishReason));
        Assert.Equal(ChatFinishReason.Length, updates[^1].FinishReason);
        Assert.All(updates.SkipLast(1), u => Assert.IsType<GenerationUpdate>(u.RawRepresentation));
        Assert.NotEqual(whole.ResponseId, updates[0].ResponseId);
    }

    [Fact]
    public async Task GetResponseAsync_UsageDataAvailable()
    {
        using IChatClient client = shared.Client();

        UsageDetails usage = (await client.GetResponseAsync(SharedModel.Prompt)).Usage!;

        Assert.Equal(shared.Model.Tokenizer.Encode(SharedModel.Prompt).Length, usage.InputTokenCount);
        Assert.Equal(24, usage.OutputTokenCount);
        Assert.Equal(usage.InputTokenCount + 24, usage.TotalTokenCount);
        Assert.InRange(usage.CachedInputTokenCount!.Value, 0, usage.InputTokenCount!.Value);
        Assert.Null(usage.AdditionalCounts);
    }

    [Fact]
    public async Task GetStreamingResponseAsync_UsageDataAvailable_OnceAndLast()
    {
        using IChatClient client = shared.Client();

        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(client.GetStreamingResponseAsync(SharedModel.Prompt));

        UsageContent usage = Assert.Single(updates.SelectMany(u => u.Contents).OfType<UsageContent>());
        Assert.Same(usage, Assert.Single(updates[^1].Contents));
        Assert.Equal(updates.ToChatResponse().Usage!.TotalTokenCount, usage.Details.TotalTokenCount);
    }

    [Fact]
    public async Task GetStreamingResponseAsync_AppendToHistory_GoesOnFromThere()
    {
        using IChatClient client = shared.Client();
        List<ChatMessage> history = [new(ChatRole.User, SharedModel.Prompt)];
        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(client.GetStreamingResponseAsync(history));

        history.AddMessages(updates);
        ChatResponse second = await client.GetResponseAsync(history, new ChatOptions { MaxOutputTokens = 4 });

        Assert.Equal(2, history.Count);
        Assert.True(second.Usage!.InputTokenCount >= 24);
        Assert.NotEmpty(second.Text);
    }

    [Fact]
    public async Task GetResponseAsync_LastUpdateWithUsageInHistory_IsAccepted()
    {
        using IChatClient client = shared.Client();
        ChatMessage answer = new(ChatRole.Assistant, [new TextContent(" well"), new UsageContent(new UsageDetails())]);

        ChatResponse response = await client.GetResponseAsync([new(ChatRole.User, SharedModel.Prompt), answer]);

        Assert.Equal((await client.GetResponseAsync(SharedModel.Prompt + " well")).Text, response.Text);
    }

    [Fact]
    public async Task GetResponseAsync_MaxOutputTokens_EndsWithLength()
    {
        using IChatClient client = shared.Client();

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions { MaxOutputTokens = 3 });

        Assert.Equal(3, response.Usage!.OutputTokenCount);
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
    }

    [Fact]
    public async Task GetResponseAsync_NothingSaid_WritesAtMost256Tokens()
    {
        using IChatClient client = shared.Model.AsIChatClient(new FlexKernelChatOptions { Template = SharedModel.Plain });
        ChatOptions options = new() { Seed = 1, AdditionalProperties = new() { [FlexKernelProperties.IgnoreEndOfSequence] = true } };

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt, options);

        Assert.Equal(256, response.Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task GetResponseAsync_StopSequenceAcrossTokens_EndsBeforeIt()
    {
        using IChatClient client = shared.Client();
        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(client.GetStreamingResponseAsync(SharedModel.Prompt));
        string[] pieces = [.. updates.Select(u => u.Text).Where(t => t.Length > 0)];
        string whole = string.Concat(pieces);

        // The end of one token and the beginning of the next, where the text holds them for the first time.
        string stop = Enumerable.Range(3, pieces.Length - 4).Select(i => pieces[i][^1..] + pieces[i + 1][..1])
            .First(s => whole.IndexOf(s, StringComparison.Ordinal) > 4);

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions { StopSequences = ["nowhere", stop] });

        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(stop, ((FlexKernelChatResult)response.RawRepresentation!).Totals.StopString);
        Assert.Equal(stop, response.Messages[0].AdditionalProperties![FlexKernelProperties.StopSequence]);
    }

    [Fact]
    public async Task GetResponseAsync_Seed_DecidesTheText()
    {
        using IChatClient client = shared.Client();
        ChatOptions options = new() { Temperature = 1, Seed = long.MaxValue - 5 };

        ChatResponse first = await client.GetResponseAsync(SharedModel.Prompt, options);
        ChatResponse again = await client.GetResponseAsync(SharedModel.Prompt, options);
        ChatResponse other = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions { Temperature = 1, Seed = 4 });

        Assert.Equal(first.Text, again.Text);
        Assert.NotEqual(first.Text, other.Text);
        Assert.Equal(options.Seed, first.Messages[0].AdditionalProperties![FlexKernelProperties.Seed]);
    }

    [Fact]
    public async Task GetResponseAsync_DrawnSeedGivenBack_RepeatsTheText()
    {
        using IChatClient client = shared.Client();
        ChatResponse drawn = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions { Temperature = 1 });
        long seed = (long)drawn.Messages[0].AdditionalProperties![FlexKernelProperties.Seed]!;

        ChatResponse again = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions { Temperature = 1, Seed = seed });

        Assert.Equal(drawn.Text, again.Text);
    }

    [Fact]
    public async Task GetResponseAsync_ParallelCalls_EqualThoseAlone()
    {
        using IChatClient client = shared.Client();
        string[] prompts = [SharedModel.Prompt, "Der var engang", "def main(", "Let $X$ be a"];
        ChatOptions options = new() { Temperature = 1, Seed = 7 };
        List<string> alone = [];
        foreach (string prompt in prompts)
        {
            alone.Add((await client.GetResponseAsync(prompt, options)).Text);
        }

        ChatResponse[] together = await Task.WhenAll(prompts.Select(prompt => Task.Run(() => client.GetResponseAsync(prompt, options))));

        Assert.Equal(alone, together.Select(r => r.Text));
        Assert.Equal(prompts.Length, together.Select(r => r.ResponseId).Distinct().Count());
    }

    [Fact]
    public async Task GetStreamingResponseAsync_OneOfTwoCancelled_TheOtherIsUnchanged()
    {
        using IChatClient client = shared.Client();
        string alone = (await client.GetResponseAsync(SharedModel.Prompt)).Text;
        using CancellationTokenSource cancel = new();

        Task<ChatResponse> kept = Task.Run(() => client.GetResponseAsync(SharedModel.Prompt));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            int seen = 0;
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(
                "Der var engang", new ChatOptions { MaxOutputTokens = 900 }, cancel.Token))
            {
                if (++seen == 3)
                {
                    await cancel.CancelAsync();
                }
            }
        });

        Assert.Equal(alone, (await kept).Text);
    }

    [Fact]
    public async Task GetResponseAsync_CancelledBefore_Throws()
    {
        using IChatClient client = shared.Client();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => client.GetResponseAsync(SharedModel.Prompt, cancellationToken: new CancellationToken(true)));
    }

    [Fact]
    public async Task GetResponseAsync_ConversationLongerThanContext_NamesBothCounts()
    {
        using IChatClient client = shared.Client();
        string text = string.Concat(Enumerable.Repeat(" patient", 2000));
        int tokens = shared.Model.Tokenizer.Encode(text).Length;

        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync(text));

        Assert.Contains($"{tokens} tokens", error.Message, StringComparison.Ordinal);
        Assert.Contains("holds 1024", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetResponseAsync_Options_AreNotChanged()
    {
        using IChatClient client = shared.Client();
        ChatOptions options = new ChatOptions { Instructions = "Be", StopSequences = ["zzz"], MaxOutputTokens = 2 }.WithRoutingTrace();

        await client.GetResponseAsync(SharedModel.Prompt, options);

        Assert.Equal("Be", options.Instructions);
        Assert.Equal(["zzz"], options.StopSequences!);
        Assert.Single(options.AdditionalProperties!);
        Assert.Equal(true, options.AdditionalProperties![FlexKernelProperties.Trace]);
    }

    [Fact]
    public async Task GetResponseAsync_NullMessages_Throws()
    {
        using IChatClient client = shared.Client();

        await Assert.ThrowsAsync<ArgumentNullException>("messages", () => client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        Assert.Throws<ArgumentNullException>("messages", () => client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!));
        await Assert.ThrowsAsync<ArgumentException>("messages", () => client.GetResponseAsync(new ChatMessage[] { null! }));
        await Assert.ThrowsAsync<ArgumentException>("messages", () => client.GetResponseAsync(Array.Empty<ChatMessage>()));
    }

    [Fact]
    public async Task GetResponseAsync_LogProbs_AreOnTheTokens()
    {
        using IChatClient client = shared.Client();
        ChatOptions options = new() { MaxOutputTokens = 5, AdditionalProperties = new() { [FlexKernelProperties.LogProbs] = 2 } };

        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(client.GetStreamingResponseAsync(SharedModel.Prompt, options));

        GenerationUpdate[] tokens = [.. updates.Select(u => u.RawRepresentation).OfType<GenerationUpdate>()];
        Assert.Equal(5, tokens.Length);
        Assert.All(tokens, token => Assert.Equal(2, token.LogProbs!.Top.Count));
        Assert.All(tokens, token => Assert.Equal(token.TokenId, token.LogProbs!.Chosen.Id));
    }

    [Fact]
    public void GetService_Table_HoldsWhatIsThere()
    {
        using IChatClient client = shared.Client();

        ChatClientMetadata metadata = client.GetRequiredService<ChatClientMetadata>();
        Assert.Equal(("flexkernel", "tiny", (Uri?)null), (metadata.ProviderName, metadata.DefaultModelId, metadata.ProviderUri));
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Same(client, client.GetService<FlexKernelChatClient>());
        Assert.Same(client, client.GetService<object>());
        Assert.Same(shared.Model, client.GetService<LanguageModel>());
        Assert.Same(shared.Model.Description, client.GetService<ModelDescription>());
        Assert.Same(shared.Model.Experts, client.GetService<ExpertCatalogue>());
        Assert.Null(client.GetService<ChatClientMetadata>("key"));
        Assert.Null(client.GetService<FlexKernelChatClient>("key"));
        Assert.Null(client.GetService<string>());
        Assert.Throws<ArgumentNullException>("serviceType", () => client.GetService(null!));
    }

    [Fact]
    public async Task Dispose_Client_LeavesTheModelOfOthersAlone()
    {
        IChatClient client = shared.Client();
        client.Dispose();
        client.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync(SharedModel.Prompt));
        using IChatClient other = shared.Client();
        Assert.NotEmpty((await other.GetResponseAsync(SharedModel.Prompt)).Text);
    }

    [Fact]
    public async Task Constructor_Directory_LoadsNamesAndOwnsTheModel()
    {
        FlexKernelChatClient client = new(SharedModel.Directory, new FlexKernelChatOptions { Template = SharedModel.Plain });
        LanguageModel model = (LanguageModel)client.GetService(typeof(LanguageModel))!;

        ChatResponse response = await client.GetResponseAsync("Hi", new ChatOptions { ModelId = "models", MaxOutputTokens = 2 });
        client.Dispose();

        Assert.Equal("models", response.ModelId);
        Assert.ThrowsAny<Exception>(() => model.Start(model.EncodePrompt("x"), new GenerationOptions { MaxTokens = 1 }).Next());
    }
}
