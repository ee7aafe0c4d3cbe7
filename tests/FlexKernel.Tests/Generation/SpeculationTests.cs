using System.Globalization;
using FlexKernel.Caching;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using FlexKernel.Tests.Sampling;
using Xunit;

namespace FlexKernel.Tests.Generation;

public sealed class SpeculationTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    private static readonly string[] Prompts = ["The patient was", "def __init__(self", "Let $X$ be a", "Der var engang"];

    public static MatrixTheoryData<int, int> DraftsAndExperts => new(Enumerable.Range(1, 8), [1, 2, 4, 6]);

    private LanguageModel Model => shipped.Model;

    [Theory]
    [MemberData(nameof(DraftsAndExperts))]
    public void Next_Greedy_WritesThePlainTextBitForBit(int draftTokens, int k)
    {
        int drafted = 0, accepted = 0;
        foreach (string prompt in Prompts)
        {
            GenerationOptions options = new()
            {
                MaxTokens = 40,
                ActiveExperts = k,
                IgnoreEndOfSequence = true,
                Sampling = new SamplingOptions { Temperature = 0, RepetitionPenalty = 1.1f, LogProbs = 3 },
            };
            using Generator plain = Start(prompt, options), speculative = Start(prompt, options with { Speculation = Always(draftTokens) });

            Assert.Equal(Drive(plain), Drive(speculative));
            drafted += speculative.DraftedTokens;
            accepted += speculative.AcceptedTokens;
        }

        // Neither a draft that never stands nor one that always does would test anything.
        Assert.InRange(accepted, 1, drafted - 1);
    }

    [Fact]
    public async Task GenerateAsync_Drawn_HasTheDistributionOfThePlainText()
    {
        const int Length = 4;
        const int Samples = 3200;
        const int AtOnce = 64;
        GenerationOptions options = new()
        {
            MaxTokens = Length,
            IgnoreEndOfSequence = true,
            Sampling = new SamplingOptions { Temperature = 1.1f, TopK = 3, MinP = 0.02f, RepetitionPenalty = 1.2f },
        };
        int[] prompt = Model.EncodePrompt(Prompts[0]);
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions
        {
            Threads = 2,
            Transformer = new TransformerOptions { CacheTokens = 64 * AtOnce },
        });
        Dictionary<string, double> exact = [];
        Spread(prompt, [], 1, Length, options.Sampling, exact);
        string[] texts = [.. exact.Keys];

        int[] plain = await CountsAsync(options), draft = await CountsAsync(options with { Experts = new ExpertSelection { Allowed = ["public"] }, ActiveExperts = 1 });

        double[] probabilities = [.. exact.Values, 0];
        Assert.Equal(1, probabilities.Sum(), 9);
        Follows(plain, probabilities);
        Follows(await CountsAsync(options with { Speculation = Always(1) }), probabilities);
        Follows(await CountsAsync(options with { Speculation = Always(2) }), probabilities);

        // The same test turns the draft's own distribution away, also when only texts that the mixture may write count.
        (double statistic, double critical) = ChiSquare.Of(draft[..^1], [.. exact.Values]);
        Assert.True(statistic > critical, $"{statistic} does not exceed {critical}");

        async Task<int[]> CountsAsync(GenerationOptions asked)
        {
            int[] counts = new int[texts.Length + 1];
            int proposals = 0, stood = 0;
            foreach (int[] seeds in Enumerable.Range(0, Samples).Chunk(AtOnce))
            {
                GenerationUpdate[][] written = await Task.WhenAll(
                    seeds.Select(seed => ListAsync(model, prompt, asked with { Sampling = asked.Sampling with { Seed = seed } })));
                foreach (GenerationUpdate[] updates in written)
                {
                    int text = Array.IndexOf(texts, Key(updates.Select(u => u.TokenId)));
                    counts[text < 0 ? texts.Length : text]++;
                    proposals += updates[^1].Totals!.DraftedTokens;
                    stood += updates[^1].Totals!.AcceptedTokens;
                }
            }

            Assert.True(asked.Speculation is null || (stood > 0 && stood < proposals), $"{stood} of {proposals} accepted");
            return counts;
        }
    }

    [Fact]
    public async Task GenerateAsync_MixedWithPlainTexts_AllWriteWhatTheyWriteAlone()
    {
        GenerationOptions[] options =
        [
            new() { MaxTokens = 60, IgnoreEndOfSequence = true, Speculation = Always(4) },
            new() { MaxTokens = 45, IgnoreEndOfSequence = true },
            new() { MaxTokens = 35, Sampling = new SamplingOptions { Temperature = 0.9f, Seed = 7, LogProbs = 2 }, Speculation = Always(7) },
            new() { MaxTokens = 50, ActiveExperts = 4, Speculation = Always(1) },
            new() { MaxTokens = 50, Sampling = new SamplingOptions { Seed = 8 }, Speculation = new SpeculationOptions { DraftTokens = 3 } },
        ];
        (string Prompt, GenerationOptions Options)[] requests = [.. Prompts.SelectMany(p => options.Select(o => (p, o)))];

        // Few rows a pass, so that rounds have to wait for room.
        using LanguageModel narrow = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions
        {
            Threads = 2,
            Transformer = new TransformerOptions { CacheTokens = 8192, MaxBatchTokens = 9 },
        });
        foreach (LanguageModel model in (LanguageModel[])[Model, narrow])
        {
            string[][] together = await Task.WhenAll(requests.Select(r => UpdatesAsync(model, r.Prompt, r.Options)));
            for (int i = 0; i < requests.Length; i++)
            {
                using Generator alone = Start(requests[i].Prompt, requests[i].Options with { ReusePrefix = false });
                Assert.Equal(Drive(alone), together[i]);
            }
        }

        Assert.Equal(8192 / narrow.Transformer.CacheBlockSize, narrow.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public async Task GenerateAsync_SlowReader_GetsEverythingAndHoldsNobodyUp()
    {
        GenerationOptions options = new() { MaxTokens = 100, IgnoreEndOfSequence = true, Speculation = Always(5) };
        string[] expected = await UpdatesAsync(Model, Prompts[2], options with { Speculation = null });
        List<string> slow = [];
        await using IAsyncEnumerator<GenerationUpdate> reader = Model.GenerateAsync(Prompts[2], options).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        slow.Add(Show(reader.Current));

        Assert.NotEmpty(await UpdatesAsync(Model, Prompts[3], options));
        while (await reader.MoveNextAsync())
        {
            slow.Add(Show(reader.Current));
        }

        Assert.Equal(expected, slow);
    }

    /// <summary>Every place where a text can stop, so also within a run of accepted tokens.</summary>
    [Fact]
    public void Next_StopStringOrId_EndsThePlainTextInItsPlace()
    {
        GenerationOptions options = new() { MaxTokens = 30, IgnoreEndOfSequence = true };
        using Generator whole = Start(Prompts[0], options with { Speculation = Always(4) });
        List<int> ids = [];
        List<bool> isWithinRun = [];
        string text = "";
        while (whole.Next())
        {
            ids.Add(whole.TokenId);
            isWithinRun.Add(whole.HasToken);
            text += whole.Text.ToString();
        }

        int within = 0;
        for (int i = 1; i + 4 < text.Length; i += 3)
        {
            Check(options with { StopStrings = [text.Substring(i, 4)] });
        }

        foreach (int id in ids)
        {
            Check(options with { StopIds = [id] });
        }

        for (int length = 1; length <= ids.Count; length++)
        {
            Check(options with { MaxTokens = length });
        }

        Assert.InRange(within, 5, int.MaxValue);

        void Check(GenerationOptions stopped)
        {
            using LanguageModelBlocks blocks = new(Model);
            using Generator plain = Start(Prompts[0], stopped), speculative = Start(Prompts[0], stopped with { Speculation = Always(4) });
            string[] expected = Drive(plain), actual = Drive(speculative);
            Assert.Equal(expected, actual);
            Assert.Equal((plain.StopString, plain.FinishReason), (speculative.StopString, speculative.FinishReason));
            within += isWithinRun[speculative.WrittenTokens - 1] ? 1 : 0;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(16)]
    public void Next_ContextEnds_FinishesWithLengthAndThePlainText(int draftTokens)
    {
        for (int length = 1010; length < 1024; length++)
        {
            using LanguageModelBlocks blocks = new(Model);
            int[] prompt = [.. Enumerable.Repeat(Model.EncodePrompt(Prompts[0]), 256).SelectMany(p => p).Take(length)];
            GenerationOptions options = new() { IgnoreEndOfSequence = true };
            using Generator plain = Model.Start(prompt, options);
            string[] expected = Drive(plain);
            plain.Dispose();
            using Generator speculative = Model.Start(prompt, options with { Speculation = Always(draftTokens) });

            Assert.Equal(expected, Drive(speculative));
            Assert.Equal((1024 - length, FinishReason.Length), (speculative.WrittenTokens, speculative.FinishReason));
        }
    }

    /// <summary>Left in every state: reading, in the middle of a draft, before a check, with tokens not yet asked for.</summary>
    [Fact]
    public void Dispose_InAnyState_GivesAllBlocksBackAndLeavesAPrefixOfTheTextOnly()
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = 1 });
        string prompt = string.Concat(Enumerable.Repeat("The patient was given a dose. ", 8));
        GenerationOptions options = new() { MaxTokens = 60, IgnoreEndOfSequence = true };
        using Generator whole = model.Start(model.EncodePrompt(prompt), options with { ReusePrefix = false });
        string[] expected = Drive(whole);
        int blocks = model.Transformer.CacheBlocks;
        whole.Dispose();
        for (int passes = 0; passes < 45; passes++)
        {
            using (Generator left = model.Start(model.EncodePrompt(prompt), options with { Speculation = Always(3) }))
            {
                for (int pass = 0; pass < passes; pass++)
                {
                    lock (model.Gate)
                    {
                        model.Batch.Clear();
                        left.AddTo(model.Batch);
                        model.Batch.Run();
                        left.Accept(model.Batch);
                    }

                    while (pass + 1 < passes && left.HasToken)
                    {
                        left.TakeToken();
                    }
                }
            }

            // What was left in the cache serves this one.
            using Generator next = model.Start(model.EncodePrompt(prompt), options);
            Assert.Equal(expected, Drive(next));
            next.Dispose();
            Assert.Equal(blocks, model.Transformer.FreeCacheBlocks);
        }
    }

    [Fact]
    public async Task GenerateAsync_CancelledOrLeft_GivesAllBlocksBack()
    {
        using LanguageModelBlocks blocks = new(Model);
        GenerationOptions options = new() { MaxTokens = 500, IgnoreEndOfSequence = true, Speculation = Always(6) };
        for (int tokens = 1; tokens < 12; tokens++)
        {
            using CancellationTokenSource cancel = new();
            int seen = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (GenerationUpdate _ in Model.GenerateAsync(Prompts[1], options, cancel.Token))
                {
                    if (++seen == tokens)
                    {
                        await cancel.CancelAsync();
                    }
                }
            });
            await foreach (GenerationUpdate _ in Model.GenerateAsync(Prompts[1], options))
            {
                break;
            }
        }
    }

    [Fact]
    public void Trace_OfASpeculativeText_IsThePlainOne()
    {
        RoutingTrace plain = new(), speculative = new();
        GenerationOptions options = new() { MaxTokens = 41, IgnoreEndOfSequence = true };
        using Generator first = Start(Prompts[0], options with { Trace = plain });
        using Generator second = Start(Prompts[0], options with { Trace = speculative, Speculation = Always(4) });

        Assert.Equal(Drive(first), Drive(second));
        Assert.NotEmpty(plain.Choices);
        Assert.Equal(plain.Choices, speculative.Choices);
    }

    [Fact]
    public async Task Totals_OfASpeculativeText_AreThePlainOnesAndCountDrafts()
    {
        GenerationOptions options = new() { MaxTokens = 40, IgnoreEndOfSequence = true, ReusePrefix = false, Sampling = new SamplingOptions { Temperature = 0, Seed = 1 } };
        GenerationTotals plain = await TotalsAsync(options), speculative = await TotalsAsync(options with { Speculation = Always(4) });

        Assert.InRange(speculative.AcceptedTokens, 1, speculative.DraftedTokens - 1);
        Assert.Equal(plain, speculative with { AcceptedTokens = 0, DraftedTokens = 0 });
    }

    [Fact]
    public void Start_PublicExpertLeftOut_Throws()
    {
        GenerationOptions options = new() { Speculation = new SpeculationOptions(), Experts = new ExpertSelection { Excluded = ["public"] } };
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"));

        ArgumentException error = Assert.Throws<ArgumentException>(() => model.Start([1], options));

        Assert.Contains("'public'", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SpeculationOptions { DraftTokens = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new SpeculationOptions { DraftTokens = SpeculationOptions.MaxDraftTokens + 1 });
    }

    [Fact]
    public void DraftPolicy_DenseModel_Throws()
    {
        ModelDescription dense = Model.Description with { Mixture = null };

        Assert.Contains("dense", Assert.Throws<ArgumentException>(() => Speculation.DraftPolicy(dense, [0])).Message, StringComparison.Ordinal);
    }

    private static SpeculationOptions Always(int draftTokens) => new() { DraftTokens = draftTokens, WhileItPays = false };

    private static void Follows(int[] counts, double[] probabilities)
    {
        (double statistic, double critical) = ChiSquare.Of(counts, probabilities);
        Assert.InRange(statistic, 0, critical);
    }

    private static string Key(IEnumerable<int> ids) => string.Join(' ', ids);

    private static string Show(GenerationUpdate update) => string.Create(
        CultureInfo.InvariantCulture,
        $"{update.TokenId} '{update.Text}' {update.FinishReason} {update.LogProbs?.Chosen} {update.LogProbs?.Rank} {string.Join(' ', update.LogProbs?.Top ?? [])}");

    private static string[] Drive(Generator generator)
    {
        List<string> updates = [];
        while (generator.Next())
        {
            updates.Add(Show(generator.ToUpdate()));
        }

        return [.. updates];
    }

    private static async Task<GenerationUpdate[]> ListAsync(LanguageModel model, int[] prompt, GenerationOptions options)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in model.GenerateAsync(prompt, options).ConfigureAwait(false))
        {
            updates.Add(update);
        }

        return [.. updates];
    }

    private static async Task<string[]> UpdatesAsync(LanguageModel model, string prompt, GenerationOptions options) =>
        Array.ConvertAll(await ListAsync(model, model.EncodePrompt(prompt), options).ConfigureAwait(false), Show);

    private async Task<GenerationTotals> TotalsAsync(GenerationOptions options) =>
        (await ListAsync(Model, Model.EncodePrompt(Prompts[0]), options))[^1].Totals!;

    private Generator Start(string prompt, GenerationOptions options) => Model.Start(Model.EncodePrompt(prompt), options);

    // The probability of every text of some length, by definition: a pass over all tokens for each beginning.
    private void Spread(int[] prompt, int[] written, double probability, int length, SamplingOptions sampling, Dictionary<string, double> texts)
    {
        if (written.Length == length)
        {
            texts.Add(Key(written), probability);
            return;
        }

        double[] weights;
        lock (Model.Gate)
        {
            using Sequence sequence = Model.Transformer.StartSequence();
            using ForwardBatch batch = Model.Transformer.CreateBatch();
            batch.Add(sequence, [.. prompt, .. written], LogitRows.Last);
            Model.Transformer.Forward(batch);
            Sampler sampler = new(sampling, Model.UsableVocabulary, prompt);
            Array.ForEach(written, sampler.Append);
            sampler.Process(batch.Logits(0));
            weights = [.. batch.Logits(0).ToArray().Select(l => Math.Exp(l))];
        }

        double total = weights.Sum();
        for (int id = 0; id < weights.Length; id++)
        {
            if (weights[id] > 0)
            {
                Spread(prompt, [.. written, id], probability * weights[id] / total, length, sampling, texts);
            }
        }
    }

    /// <summary>Checks at the end that as many cache blocks are free as at the beginning.</summary>
    private sealed class LanguageModelBlocks(LanguageModel model) : IDisposable
    {
        private readonly int _free = model.Transformer.FreeCacheBlocks;

        public void Dispose() => Assert.Equal(_free, model.Transformer.FreeCacheBlocks);
    }
}
