using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

public sealed class ExpertTests(SharedModel shared)
{
    [Fact]
    public async Task GetResponseAsync_ExcludedExpert_EqualsTheEngineWithoutIt()
    {
        using IChatClient client = shared.Client();

        ChatResponse with = await client.GetResponseAsync(SharedModel.Prompt);
        ChatResponse without = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions().WithExperts(exclude: ["medical"]));

        GenerationOptions options = new()
        {
            MaxTokens = 24,
            IgnoreEndOfSequence = true,
            Experts = new ExpertSelection { Excluded = ["medical"] },
        };
        List<GenerationUpdate> engine = await SharedModel.CollectAsync(shared.Model.GenerateAsync(SharedModel.Prompt, options));
        Assert.Equal(string.Concat(engine.Select(u => u.Text)), without.Text);
        Assert.NotEqual(with.Text, without.Text);
    }

    [Fact]
    public async Task GetResponseAsync_ActiveExperts_ChangeTheText()
    {
        using IChatClient client = shared.Client();

        ChatResponse two = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions().WithActiveExperts(2));
        ChatResponse one = await client.GetResponseAsync(SharedModel.Prompt, new ChatOptions().WithActiveExperts(1));

        Assert.Equal((await client.GetResponseAsync(SharedModel.Prompt)).Text, two.Text);
        Assert.NotEqual(two.Text, one.Text);
    }

    [Fact]
    public async Task GetResponseAsync_Traced_CountsEveryTokenLayerAndExpert()
    {
        using IChatClient client = shared.Client();
        ChatOptions options = new ChatOptions().WithExperts(exclude: ["medical"]).WithActiveExperts(3).WithRoutingTrace();

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt, options);

        UsageDetails usage = response.Usage!;
        IReadOnlyDictionary<string, long> tokens = usage.GetExpertTokens();
        IReadOnlyDictionary<string, double> shares = usage.GetExpertShares();
        long read = usage.InputTokenCount!.Value + usage.OutputTokenCount!.Value - 1;
        Assert.Equal(shared.Model.Experts.Names.Order(), tokens.Keys.Order());
        Assert.Equal(0, tokens["medical"]);
        Assert.Equal(read * shared.Model.Description.LayerCount * 3, tokens.Values.Sum());
        Assert.Equal(1, shares.Values.Sum(), 1e-9);
        Assert.Equal(tokens.Values.Sum(), response.GetRoutingTrace()!.Choices.Count);
    }

    [Fact]
    public async Task GetStreamingResponseAsync_Traced_TraceOnTheLastUpdateAndCountsInEveryForm()
    {
        using IChatClient client = shared.Client();

        List<ChatResponseUpdate> updates = await SharedModel.CollectAsync(
            client.GetStreamingResponseAsync(SharedModel.Prompt, new ChatOptions().WithRoutingTrace()));

        Assert.NotNull(updates[^1].GetRoutingTrace());
        Assert.All(updates.SkipLast(1), u => Assert.Null(u.GetRoutingTrace()));
        Assert.True(updates.ToChatResponse().Usage!.GetExpertTokens().Values.Sum() > 0);
        Assert.Empty((await client.GetResponseAsync(SharedModel.Prompt)).Usage!.GetExpertShares());
        Assert.Null((await client.GetResponseAsync(SharedModel.Prompt)).GetRoutingTrace());
    }

    [Fact]
    public async Task GetResponseAsync_ClientWithoutAnExpert_NoRequestBringsItBack()
    {
        using IChatClient client = shared.Client(new ExpertSelection { Excluded = ["medical"] });
        ChatOptions traced = new ChatOptions().WithRoutingTrace();

        ChatResponse plain = await client.GetResponseAsync(SharedModel.Prompt, traced);
        ChatOptions byType = new() { RawRepresentationFactory = _ => new GenerationOptions { Trace = new RoutingTrace(), MaxTokens = 8 } };
        ChatResponse raw = await client.GetResponseAsync(SharedModel.Prompt, byType);
        ChatResponse allowed = await client.GetResponseAsync(SharedModel.Prompt, traced.WithExperts(allow: ["public", "medical"]));

        Assert.All([plain, raw, allowed], response => Assert.Equal(0, response.Usage!.GetExpertTokens()["medical"]));
        Assert.All([plain, raw, allowed], response => Assert.True(response.Usage!.GetExpertTokens()["public"] > 0));
        await Assert.ThrowsAsync<ArgumentException>(
            () => client.GetResponseAsync(SharedModel.Prompt, new ChatOptions().WithExperts(allow: ["medical"])));
    }
}
