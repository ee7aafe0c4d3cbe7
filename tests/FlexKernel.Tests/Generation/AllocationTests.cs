using FlexKernel.Generation;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Generation;

/// <summary>Runs alone: it measures what the whole process allocates.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    private const int WarmUp = 40;
    private const int Tokens = 20;
    private const int Windows = 12;

    [Theory]
    [InlineData(1, false, 0)]
    [InlineData(2, false, 0)]
    [InlineData(2, true, 0)]
    [InlineData(2, false, 4)]
    [InlineData(2, true, 4)]
    public void Decode_AfterWarmUp_AllocatesNothingInTheProcess(int threads, bool sampled, int draftTokens)
    {
        using LanguageModel model = LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = threads });
        GenerationOptions options = new()
        {
            MaxTokens = WarmUp + Windows * Tokens + 1,
            IgnoreEndOfSequence = true,
            Speculation = draftTokens > 0 ? new SpeculationOptions { DraftTokens = draftTokens, WhileItPays = false } : null,
            Sampling = sampled ? new SamplingOptions { Temperature = 0.8f, TopK = 40, TopP = 0.95f, RepetitionPenalty = 1.1f, Seed = 1 } : new SamplingOptions { Temperature = 0 },
        };
        using Generator generator = model.Start(model.Tokenizer.Encode("The patient was"), options);
        Run(generator, WarmUp);

        // The test host's own threads may allocate in some window; what a token allocates it allocates in every window.
        long least = long.MaxValue;
        for (int window = 0; window < Windows; window++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Run(generator, Tokens);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.Equal(0, least);
    }

    private static void Run(Generator generator, int tokens)
    {
        for (int i = 0; i < tokens; i++)
        {
            Assert.True(generator.Next());
        }
    }
}
