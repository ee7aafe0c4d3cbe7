using System.Collections.Concurrent;
using System.ComponentModel;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

/// <summary>The wrappers of Microsoft.Extensions.AI around the client and the generator.</summary>
public sealed class CompositionTests(SharedModel shared)
{
    [Fact]
    public async Task GetStreamingResponseAsync_AllWrappers_PassTheAnswerThrough()
    {
        using IChatClient bare = shared.Client();
        using IChatClient wrapped = shared.Client().AsBuilder()
            .UseLogging(NullLoggerFactory.Instance)
            .UseOpenTelemetry()
            .UseFunctionInvocation(NullLoggerFactory.Instance)
            .UseDistributedCache(new DictionaryCache())
            .ConfigureOptions(options => options.MaxOutputTokens = 12)
            .Build();
        ChatOptions options = new ChatOptions().WithRoutingTrace();
        ChatResponse expected = await bare.GetResponseAsync(SharedModel.Prompt, new ChatOptions { MaxOutputTokens = 12 });

        ChatResponse whole = await wrapped.GetResponseAsync(SharedModel.Prompt, options);
        ChatResponse streamed = await wrapped.GetStreamingResponseAsync(SharedModel.Prompt, options).ToChatResponseAsync();
        ChatResponse cached = await wrapped.GetResponseAsync(SharedModel.Prompt, options);

        Assert.All([whole, streamed, cached], response =>
        {
            Assert.Equal(expected.Text, response.Text);
            Assert.Equal(expected.Usage!.TotalTokenCount, response.Usage!.TotalTokenCount);
            Assert.Equal(ChatFinishReason.Length, response.FinishReason);
            Assert.True(response.Usage.GetExpertTokens()["medical"] > 0);
        });
        Assert.Equal(whole.ResponseId, cached.ResponseId);
        Assert.Same(shared.Model, wrapped.GetService<LanguageModel>());
    }

    [Fact]
    public async Task GetResponseAsync_Cached_NeverServesAnotherSelectionOfExperts()
    {
        using IChatClient bare = shared.Client();
        using IChatClient cached = shared.Client().AsBuilder().UseDistributedCache(new DictionaryCache()).Build();
        ChatOptions without = new ChatOptions().WithExperts(exclude: ["medical"]);

        ChatResponse first = await cached.GetResponseAsync(SharedModel.Prompt, new ChatOptions());
        ChatResponse second = await cached.GetResponseAsync(SharedModel.Prompt, without);

        Assert.NotEqual(first.Text, second.Text);
        Assert.Equal((await bare.GetResponseAsync(SharedModel.Prompt, without)).Text, second.Text);
        ChatResponse again = await cached.GetResponseAsync(SharedModel.Prompt, new ChatOptions().WithExperts(["medical"]));
        Assert.Equal(second.ResponseId, again.ResponseId);
    }

    [Fact]
    public async Task FunctionInvocation_Tools_AreRefusedByNameRatherThanForgotten()
    {
        using IChatClient client = shared.Client().AsBuilder().UseFunctionInvocation(NullLoggerFactory.Instance).Build();
        ChatOptions options = new() { Tools = [AIFunctionFactory.Create([Description("The time.")] () => "noon", "time")] };

        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("When?", options));

        Assert.Contains("ChatOptions.Tools", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StructuredOutput_Json_IsRefusedByName()
    {
        using IChatClient client = shared.Client();

        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync<int>("How many?"));

        Assert.Contains("ChatOptions.ResponseFormat", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GenerateAsync_CachingGenerator_GivesTheSameVectors()
    {
        using IEmbeddingGenerator<string, Embedding<float>> bare = shared.Model.AsIEmbeddingGenerator();
        using IEmbeddingGenerator<string, Embedding<float>> cached = shared.Model.AsIEmbeddingGenerator().AsBuilder()
            .UseLogging(NullLoggerFactory.Instance).UseOpenTelemetry().UseDistributedCache(new DictionaryCache()).Build();
        string[] texts = ["one", "two"];

        GeneratedEmbeddings<Embedding<float>> expected = await bare.GenerateAsync(texts);
        await cached.GenerateAsync(["two"]);
        GeneratedEmbeddings<Embedding<float>> mixed = await cached.GenerateAsync(texts);

        Assert.Equal(expected.Select(e => e.Vector.ToArray()), mixed.Select(e => e.Vector.ToArray()));
    }

    private sealed class DictionaryCache : IDistributedCache
    {
        private readonly ConcurrentDictionary<string, byte[]> _entries = [];

        public byte[]? Get(string key) => _entries.GetValueOrDefault(key);

        public Task<byte[]?> GetAsync(string key, CancellationToken token = default) => Task.FromResult(Get(key));

        public void Refresh(string key)
        {
        }

        public Task RefreshAsync(string key, CancellationToken token = default) => Task.CompletedTask;

        public void Remove(string key) => _entries.TryRemove(key, out _);

        public Task RemoveAsync(string key, CancellationToken token = default)
        {
            Remove(key);
            return Task.CompletedTask;
        }

        public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => _entries[key] = value;

        public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
        {
            Set(key, value, options);
            return Task.CompletedTask;
        }
    }
}
