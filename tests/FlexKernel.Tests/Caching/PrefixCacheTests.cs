using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Caching;

public sealed class PrefixCacheTests : IDisposable
{
    private const string Document = "The patient was admitted with a fever of three days. On examination the heart was regular and the lungs were clear to listening. ";
    private readonly LanguageModel _model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions
    {
        Transformer = new TransformerOptions { CacheTokens = 512, BlockSize = 64 },
    });

    [Theory]
    [InlineData(0f)]
    [InlineData(0.9f)]
    public void Next_PromptThatBeginsAlike_WritesTheSameWithLessWork(float temperature)
    {
        GenerationOptions options = Options(temperature);
        Write(Document + "The next day", options);

        (string text, int cached) = Write(Document + "After a week", options);

        Assert.InRange(cached, _model.EncodePrompt(Document).Length - 2, _model.EncodePrompt(Document + "After a week").Length - 1);
        Assert.Equal(Write(Document + "After a week", options with { ReusePrefix = false }), (text, 0));
    }

    [Fact]
    public void Next_ConversationThatGrows_ReusesTheWrittenTextToo()
    {
        GenerationOptions options = Options(0);
        (string first, _) = Write(Document, options);
        int[] grown;
        using (Generator generator = _model.Start(_model.EncodePrompt(Document), options))
        {
            List<int> ids = [.. _model.EncodePrompt(Document)];
            while (generator.Next())
            {
                ids.Add(generator.TokenId);
            }

            grown = [.. ids, .. _model.Tokenizer.Encode(" And then")];
        }

        using Generator next = _model.Start(grown, options);
        next.Next();

        Assert.NotEmpty(first);
        Assert.True(next.CachedTokens > _model.EncodePrompt(Document).Length);
    }

    [Fact]
    public void Next_OtherExpertsOrAnotherK_ReusesNothing()
    {
        Write(Document, Options(0));

        Assert.Equal(0, Write(Document, Options(0) with { Experts = new ExpertSelection { Excluded = ["legal"] } }).Cached);
        Assert.Equal(0, Write(Document, Options(0) with { ActiveExperts = 3 }).Cached);
        Assert.NotEqual(0, Write(Document, Options(0)).Cached);
    }

    [Fact]
    public void Next_Traced_ComputesTheWholePrompt()
    {
        Write(Document, Options(0));
        RoutingTrace trace = new();

        Assert.Equal(0, Write(Document, Options(0) with { Trace = trace }).Cached);
        Assert.Contains(trace.Choices, c => c.Position == 0);
    }

    [Fact]
    public void Next_CacheIsFullOfEndedTexts_TakesTheirBlocks()
    {
        for (int i = 0; i < 30; i++)
        {
            (string text, _) = Write($"{i}: {Document}", Options(0));
            Assert.Equal(Write($"{i}: {Document}", Options(0) with { ReusePrefix = false }).Text, text);
        }

        Assert.Equal(8, _model.Transformer.FreeCacheBlocks);
    }

    public void Dispose() => _model.Dispose();

    private static GenerationOptions Options(float temperature) => new()
    {
        MaxTokens = 24,
        IgnoreEndOfSequence = true,
        Sampling = new SamplingOptions { Temperature = temperature, Seed = 11 },
    };

    private (string Text, int Cached) Write(string prompt, GenerationOptions options)
    {
        using Generator generator = _model.Start(_model.EncodePrompt(prompt), options);
        string text = "";
        while (generator.Next())
        {
            text += generator.Text.ToString();
        }

        return (text, generator.CachedTokens);
    }
}
