using System.Diagnostics;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Generation;

public sealed class SchedulerTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    private static readonly string[] Prompts = ["The patient was", "def __init__(self", "Let $X$ be a", "Der var engang", "The court held that"];

    private LanguageModel Model => shipped.Model;

    [Fact]
    public async Task GenerateAsync_ManyAtOnce_WriteWhatEachWritesAlone()
    {
        GenerationOptions[] options =
        [
            new() { MaxTokens = 60, IgnoreEndOfSequence = true },
            new() { MaxTokens = 35, Sampling = new SamplingOptions { Temperature = 0.9f, Seed = 7 } },
            new() { MaxTokens = 50, Experts = new ExpertSelection { Excluded = ["medical"] } },
            new() { MaxTokens = 20, ActiveExperts = 4 },
        ];
        (string Prompt, GenerationOptions Options)[] requests = [.. Prompts.SelectMany(p => options.Select(o => (p, o)))];

        string[] together = await Task.WhenAll(requests.Select(r => TextAsync(Model, r.Prompt, r.Options)));

        for (int i = 0; i < requests.Length; i++)
        {
            using Generator alone = Model.Start(Model.EncodePrompt(requests[i].Prompt), requests[i].Options with { ReusePrefix = false });
            Assert.Equal(Drive(alone), together[i]);
        }
    }

    [Fact]
    public async Task GenerateAsync_OneIsCancelled_TheOtherWritesTheSame()
    {
        GenerationOptions options = new() { MaxTokens = 200, IgnoreEndOfSequence = true };
        string alone = await TextAsync(Model, Prompts[0], options);
        using CancellationTokenSource cancel = new();
        int seen = 0;
        Task cancelled = Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationUpdate _ in Model.GenerateAsync(Prompts[1], options, cancel.Token))
            {
                if (++seen == 20)
                {
                    await cancel.CancelAsync();
                }
            }
        });

        string beside = await TextAsync(Model, Prompts[0], options);
        await cancelled;

        Assert.Equal(alone, beside);
        Assert.InRange(seen, 20, 60);
    }

    [Fact]
    public async Task GenerateAsync_SlowReader_GetsEverythingAndHoldsNobodyUp()
    {
        GenerationOptions options = new() { MaxTokens = 100, IgnoreEndOfSequence = true };
        string expected = await TextAsync(Model, Prompts[2], options);
        List<string> slow = [];
        await using IAsyncEnumerator<GenerationUpdate> reader = Model.GenerateAsync(Prompts[2], options).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        slow.Add(reader.Current.Text);

        // The slow one is stuck with a full channel while this one runs to its end.
        Assert.NotEmpty(await TextAsync(Model, Prompts[3], options));
        while (await reader.MoveNextAsync())
        {
            slow.Add(reader.Current.Text);
        }

        Assert.Equal(expected, string.Concat(slow));
        Assert.Equal(100, slow.Count);
    }

    [Fact]
    public async Task GenerateAsync_MoreThanTheCacheHolds_WaitForRoom()
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions
        {
            Transformer = new TransformerOptions { CacheTokens = 256, BlockSize = 64 },
        });
        GenerationOptions options = new() { MaxTokens = 100, IgnoreEndOfSequence = true };

        string[] texts = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => TextAsync(model, Prompts[i % Prompts.Length], options)));

        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(await TextAsync(Model, Prompts[i % Prompts.Length], options), texts[i]);
        }

        Assert.Equal(4, model.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public async Task GenerateAsync_CancelledWhileWaiting_EndsAtOnce()
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions
        {
            Transformer = new TransformerOptions { CacheTokens = 128, BlockSize = 64 },
        });
        GenerationOptions options = new() { MaxTokens = 100, IgnoreEndOfSequence = true };
        await using IAsyncEnumerator<GenerationUpdate> first = model.GenerateAsync(Prompts[0], options).GetAsyncEnumerator();
        Assert.True(await first.MoveNextAsync());
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(50));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => TextAsync(model, Prompts[1], options, cancel.Token));

        Assert.True(await first.MoveNextAsync());
    }

    [Fact]
    public async Task GenerateAsync_SamplerFails_EndsThatTextOnly()
    {
        GenerationOptions options = new() { MaxTokens = 40 };
        SamplingOptions nothingLeft = new() { Temperature = 0, LogitBias = Enumerable.Range(0, Model.Tokenizer.VocabularySize).ToDictionary(i => i, _ => float.NegativeInfinity) };
        Task<string> healthy = TextAsync(Model, Prompts[0], options);

        await Assert.ThrowsAsync<SamplingException>(() => TextAsync(Model, Prompts[1], options with { Sampling = nothingLeft }));

        Assert.Equal(await TextAsync(Model, Prompts[0], options), await healthy);
    }

    [Fact]
    public async Task Dispose_WhileWriting_EndsReadersWithAnError()
    {
        LanguageModel model = LanguageModel.Load(TestData.Repository("models"));
        await using IAsyncEnumerator<GenerationUpdate> reader =
            model.GenerateAsync(Prompts[0], new GenerationOptions { MaxTokens = 900, IgnoreEndOfSequence = true }).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());

        model.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await reader.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => TextAsync(model, Prompts[0], new GenerationOptions()));
    }

    [Fact]
    public async Task Trace_BesideOthers_RecordsItsOwnRowsOnly()
    {
        RoutingTrace alone = new(), beside = new();
        await TextAsync(Model, Prompts[0], new GenerationOptions { MaxTokens = 30, Trace = alone });

        Task[] others = [.. Prompts.Skip(1).Select(p => TextAsync(Model, p, new GenerationOptions { MaxTokens = 60, IgnoreEndOfSequence = true }))];
        await TextAsync(Model, Prompts[0], new GenerationOptions { MaxTokens = 30, Trace = beside });
        await Task.WhenAll(others);

        Assert.NotEmpty(alone.Choices);
        Assert.Equal(alone.Choices, beside.Choices);
    }

    [Fact]
    public async Task Totals_OnTheLastUpdate_CountPromptCacheAndText()
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"));
        string prompt = string.Concat(Enumerable.Repeat("The patient was given a dose. ", 8));
        GenerationOptions options = new() { MaxTokens = 12, IgnoreEndOfSequence = true, Sampling = new SamplingOptions { Seed = 3 } };

        List<GenerationUpdate> first = await UpdatesAsync(model, prompt, options), second = await UpdatesAsync(model, prompt, options);

        int tokens = model.EncodePrompt(prompt).Length;
        Assert.All(first.SkipLast(1), u => Assert.Null(u.Totals));
        Assert.Equal(new GenerationTotals(tokens, 0, 12, 3, null), first[^1].Totals);
        Assert.Equal(new GenerationTotals(tokens, tokens - 1, 12, 3, null), second[^1].Totals);
        Assert.Equal(first.Select(u => u.TokenId), second.Select(u => u.TokenId));
    }

    private static async Task<string> TextAsync(LanguageModel model, string prompt, GenerationOptions options, CancellationToken cancellationToken = default) =>
        string.Concat((await UpdatesAsync(model, prompt, options, cancellationToken)).Select(u => u.Text));

    private static async Task<List<GenerationUpdate>> UpdatesAsync(
        LanguageModel model, string prompt, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in model.GenerateAsync(prompt, options, cancellationToken).ConfigureAwait(false))
        {
            updates.Add(update);
        }

        return updates;
    }

    private static string Drive(Generator generator)
    {
        string text = "";
        while (generator.Next())
        {
            text += generator.Text.ToString();
        }

        return text;
    }
}

/// <summary>Runs alone: it measures the memory of the whole process.</summary>
[Collection(nameof(AllocationTests))]
public sealed class CancelledGenerationTests
{
    [Fact]
    public async Task GenerateAsync_ManyCancelled_LeaveNothingBehind()
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = 2 });
        int blocks = model.Transformer.FreeCacheBlocks;
        await CancelAsync(model, 300);
        (long managed, long resident) = Memory();

        await CancelAsync(model, 1000);

        (long managedAfter, long residentAfter) = Memory();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"managed {managed:N0} to {managedAfter:N0} B, resident {resident:N0} to {residentAfter:N0} B");
        Assert.Equal(blocks, model.Transformer.FreeCacheBlocks);
        Assert.True(managedAfter <= managed * 1.01, $"managed memory grew from {managed} to {managedAfter} bytes");
        Assert.True(residentAfter <= resident * 1.01, $"resident memory grew from {resident} to {residentAfter} bytes");
    }

    private static async Task CancelAsync(LanguageModel model, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using CancellationTokenSource cancel = new();
            int left = 1 + i % 4;
            try
            {
                await foreach (GenerationUpdate _ in model.GenerateAsync($"Patient {i % 50} was", new GenerationOptions { MaxTokens = 300 }, cancel.Token))
                {
                    if (--left == 0)
                    {
                        await cancel.CancelAsync();
                    }
                }
            }
            catch (OperationCanceledException)
            {
            }
        }
    }

    private static (long Managed, long Resident) Memory()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return (GC.GetTotalMemory(forceFullCollection: true), Process.GetCurrentProcess().WorkingSet64);
    }
}
