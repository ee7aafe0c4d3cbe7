using System.Collections.Frozen;
using System.Text.Json;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Generation;

/// <summary>One loaded copy of the shipped mixture for all tests of a class.</summary>
public sealed class ShippedModel : IDisposable
{
    public LanguageModel Model { get; } = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = 2 });

    public void Dispose() => Model.Dispose();
}

public sealed class GeneratorTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    private LanguageModel Model => shipped.Model;

    [Fact]
    public async Task GenerateAsync_Greedy_EqualsTheReferenceTexts()
    {
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(TestData.Large("golden/tiny-mixture/expected.json")));
        foreach (JsonElement item in expected.RootElement.GetProperty("greedy").EnumerateArray())
        {
            string text = await Text(item.GetProperty("prompt").GetString()!, new GenerationOptions
            {
                MaxTokens = item.GetProperty("continuation").GetArrayLength(),
            });

            Assert.Equal(item.GetProperty("text").GetString(), text);
        }
    }

    [Fact]
    public async Task GenerateAsync_SeveralAtOnce_EqualOneAfterTheOther()
    {
        string[] prompts = ["The patient was", "def __init__(self", "Let $X$ be a", "Der var engang"];
        GenerationOptions options = new() { MaxTokens = 24, Sampling = new SamplingOptions { Temperature = 0.9f, Seed = 5 } };

        string[] together = await Task.WhenAll(prompts.Select(p => Task.Run(() => Text(p, options))));

        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(await Text(prompts[i], options), together[i]);
        }
    }

    [Fact]
    public async Task GenerateAsync_StopString_EndsBeforeItAndSaysWhy()
    {
        string whole = await Text("The patient was", new GenerationOptions { MaxTokens = 40 });
        string stop = whole[20..27];
        List<GenerationUpdate> updates = await Updates("The patient was", new GenerationOptions { MaxTokens = 40, StopStrings = [stop] });

        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], string.Concat(updates.Select(u => u.Text)));
        Assert.Equal(FinishReason.Stop, updates[^1].FinishReason);
        Assert.All(updates.SkipLast(1), u => Assert.Null(u.FinishReason));
    }

    [Fact]
    public async Task GenerateAsync_Cancelled_StopsBetweenTokens()
    {
        using CancellationTokenSource cancel = new();
        int tokens = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationUpdate update in Model.GenerateAsync("The", new GenerationOptions { MaxTokens = 900 }, cancel.Token))
            {
                if (++tokens == 5)
                {
                    await cancel.CancelAsync();
                }
            }
        });

        Assert.InRange(tokens, 5, 40);
    }

    [Fact]
    public async Task GenerateAsync_ReaderLeaves_FreesItsCache()
    {
        int free = Model.Transformer.FreeCacheBlocks;
        await foreach (GenerationUpdate _ in Model.GenerateAsync("The", new GenerationOptions { MaxTokens = 500 }))
        {
            break;
        }

        Assert.Equal(free, Model.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public void Start_PromptTooLongOrEmpty_Throws()
    {
        Assert.Throws<ArgumentException>(() => Model.Start([]));
        Assert.Contains("1024", Assert.Throws<ArgumentException>(() => Model.Start(new int[1024])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Next_ContextEnds_FinishesWithLength()
    {
        using Generator generator = Model.Start(Enumerable.Repeat(100, 1020).ToArray(), new GenerationOptions { IgnoreEndOfSequence = true });
        int tokens = 0;
        while (generator.Next())
        {
            tokens++;
        }

        Assert.Equal((4, FinishReason.Length), (tokens, generator.FinishReason));
    }

    [Fact]
    public void Trace_EveryLayerAndToken_HasKExpertsWhoseWeightsAreTheRouters()
    {
        RoutingTrace trace = new();
        int[] prompt = Model.Tokenizer.Encode("The patient was");
        using Generator generator = Model.Start(prompt, new GenerationOptions { MaxTokens = 3, ActiveExperts = 3, Trace = trace });
        while (generator.Next())
        {
        }

        // The last token is written, not read.
        int rows = prompt.Length + 2;
        Assert.Equal(rows * Model.Description.LayerCount * 3, trace.Choices.Count);
        Assert.All(trace.Choices.GroupBy(c => (c.Position, c.Layer)), row => Assert.InRange(row.Sum(c => c.Weight), 0.3f, 1.0001f));
        Assert.Equal(rows, trace.Choices.Select(c => c.Position).Distinct().Count());
        Assert.Equal(6, trace.MeanWeights(6, 0, rows).Length);
    }

    [Fact]
    public void Exclude_Expert_IsNeverChosen()
    {
        RoutingTrace trace = new();
        using Generator generator = Model.Start(Model.Tokenizer.Encode("The patient was"), new GenerationOptions
        {
            MaxTokens = 8,
            Trace = trace,
            Experts = new ExpertSelection { Excluded = new HashSet<string> { "medical" }.ToFrozenSet() },
        });
        while (generator.Next())
        {
        }

        Assert.DoesNotContain(trace.Choices, c => c.Expert == 5);
        Assert.Throws<ArgumentException>(() => Model.Start([1], new GenerationOptions
        {
            Experts = new ExpertSelection { Excluded = new HashSet<string> { "medicine" }.ToFrozenSet() },
        }));
    }

    [Fact]
    public async Task LogProbs_ChosenAndTop_AreConsistent()
    {
        List<GenerationUpdate> updates = await Updates("The patient was", new GenerationOptions
        {
            MaxTokens = 5,
            Sampling = new SamplingOptions { Temperature = 0, LogProbs = 3 },
        });

        Assert.All(updates, u =>
        {
            Assert.Equal((1, 3), (u.LogProbs!.Rank, u.LogProbs.Top.Count));
            Assert.Equal(u.TokenId, u.LogProbs.Top[0].Id);
            Assert.True(u.LogProbs.Top[0].LogProb >= u.LogProbs.Top[1].LogProb);
        });
    }

    private async Task<string> Text(string prompt, GenerationOptions options) => string.Concat((await Updates(prompt, options)).Select(u => u.Text));

    private async Task<List<GenerationUpdate>> Updates(string prompt, GenerationOptions options)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in Model.GenerateAsync(prompt, options))
        {
            updates.Add(update);
        }

        return updates;
    }
}
