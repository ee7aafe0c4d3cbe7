using FlexKernel.Chat;
using FlexKernel.Extensions.AI.Tests;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using FlexKernel.Tests;
using Microsoft.Extensions.AI;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedModel))]

namespace FlexKernel.Extensions.AI.Tests;

/// <summary>The shipped mixture, loaded once, and requests to it.</summary>
public sealed class SharedModel : IDisposable
{
    public const string Prompt = "The patient was";

    /// <summary>Joins the messages: a base model goes on with them, whatever it was trained on.</summary>
    public static ChatTemplate Plain { get; } = ChatTemplate.Parse("{% for message in messages %}{{ message['content'] }}{% endfor %}");

    public static string Directory { get; } = TestData.Repository("models");

    public LanguageModel Model { get; } = LanguageModel.Load(
        Directory, new LanguageModelOptions { Threads = 2, Transformer = new TransformerOptions { CacheTokens = 8192 } });

    /// <summary>A client whose answers are greedy, at most 24 tokens long and do not end before.</summary>
    public IChatClient Client(ExpertSelection? experts = null) => Model.AsIChatClient(new FlexKernelChatOptions
    {
        ModelId = "tiny",
        Template = Plain,
        Defaults = new GenerationOptions
        {
            MaxTokens = 24,
            Sampling = new SamplingOptions { Temperature = 0 },
            IgnoreEndOfSequence = true,
            Experts = experts ?? ExpertSelection.All,
        },
    });

    public static async Task<List<T>> CollectAsync<T>(IAsyncEnumerable<T> items)
    {
        List<T> list = [];
        await foreach (T item in items)
        {
            list.Add(item);
        }

        return list;
    }

    public void Dispose() => Model.Dispose();
}
