using FlexKernel.Generation;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Generation;

public sealed class RoutingAttributionTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    // Token 0: expert 1 in layer 0, experts 0 and 2 in layer 1. Token 1: expert 2 twice, the weights not summing to 1.
    private static readonly RoutingTrace Small = Traces.Of(2, 2, (token, layer) => (token, layer) switch
    {
        (0, 0) => [(1, 1f)],
        (0, 1) => [(0, 0.25f), (2, 0.75f)],
        (1, 0) => [(2, 0.5f)],
        _ => [(2, 0.25f), (3, 0.25f)],
    });

    [Fact]
    public void Shares_OfTokensAndText_ArePartsOfAllWeight()
    {
        RoutingAttribution routing = RoutingAttribution.Of(Small, experts: 5);

        Assert.Equal((2, 2, 5), (routing.Tokens, routing.Layers, routing.Experts));
        Assert.Equal([0.125, 0.5, 0.375, 0, 0], routing.Shares(0));
        Assert.Equal([0, 0, 0.75, 0.25, 0], routing.Shares(1));
        Assert.Equal([0.25 / 3, 1 / 3.0, 1.5 / 3, 0.25 / 3, 0], routing.Shares());
        Assert.Equal([0, 0, 0, 0, 0], routing.Shares(1, 1));
    }

    [Fact]
    public void Leading_IsTheLargestWeightAndOfEqualsTheLowestIndex()
    {
        RoutingAttribution routing = RoutingAttribution.Of(Small, experts: 4);

        Assert.Equal(new RoutingChoice(0, 1, 2, 0.75f), routing.Leading(0, 1));
        Assert.Equal(new RoutingChoice(1, 1, 2, 0.25f), routing.Leading(1, 1));
        Assert.Equal((1, 2, 2), (routing.LeadingExpert(0, 1), routing.LeadingExpert(1, 2), routing.LeadingExpert(0, 2)));
        Assert.Equal(-1, routing.LeadingExpert(1, 1));
    }

    [Fact]
    public void Choices_OfPassesInAnyOrder_StandByTokenAndLayer()
    {
        RoutingTrace trace = new();
        Traces.AddPass(trace, 3, 2, 2, (token, layer) => [(token, layer + 1)]);
        Traces.AddPass(trace, 1, 2, 2, (token, layer) => [(token, layer + 1)]);

        RoutingAttribution routing = RoutingAttribution.Of(trace, experts: 5);

        Assert.Equal(5, routing.Tokens);
        Assert.Equal(0, routing.Choices(0).Length);
        Assert.Null(routing.Leading(0, 1));
        Assert.Equal([new(3, 0, 3, 1), new RoutingChoice(3, 1, 3, 2)], routing.Choices(3).ToArray());
        Assert.Equal([new RoutingChoice(2, 1, 2, 2)], routing.Choices(2, 1).ToArray());
    }

    [Fact]
    public void Of_NothingRecorded_HasNoTokens()
    {
        RoutingAttribution routing = RoutingAttribution.Of(new RoutingTrace(), experts: 3);

        Assert.Equal((0, 0), (routing.Tokens, routing.Layers));
        Assert.Equal([0, 0, 0], routing.Shares());
    }

    [Fact]
    public void Of_TwoSequencesOrTooFewExperts_Throws()
    {
        RoutingTrace twice = Traces.Of(1, 1, (_, _) => [(0, 1f)]);
        Traces.AddPass(twice, 0, 1, 1, (_, _) => [(0, 0.5f)]);

        ArgumentException repeated = Assert.Throws<ArgumentException>(() => RoutingAttribution.Of(twice, 1));
        ArgumentException unknown = Assert.Throws<ArgumentException>(() => RoutingAttribution.Of(Small, 3));

        Assert.Contains("position 0 twice", repeated.Message, StringComparison.Ordinal);
        Assert.Contains("expert 3", unknown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(-1, 0)]
    [InlineData(0, 2)]
    [InlineData(0, -1)]
    public void Choices_OutsideTheText_Throws(int token, int layer)
    {
        RoutingAttribution routing = RoutingAttribution.Of(Small, experts: 4);

        Assert.ThrowsAny<Exception>(() => routing.Choices(token, layer).Length);
    }

    [Fact]
    public void Read_TextThatWasWritten_HasTheChoicesOfItsGeneration()
    {
        LanguageModel model = shipped.Model;
        int[] prompt = model.EncodePrompt("The patient was");
        RoutingTrace during = new();
        ExpertSelection experts = new() { Excluded = ["legal"] };
        List<int> ids = [.. prompt];
        GenerationOptions options = new() { MaxTokens = 6, ActiveExperts = 3, Experts = experts, Trace = during };
        using (Generator generator = model.Start(prompt, options))
        {
            while (generator.Next())
            {
                ids.Add(generator.TokenId);
            }
        }

        RoutingTrace again = RoutingTrace.Read(model, [.. ids], experts, activeExperts: 3);
        RoutingAttribution afterwards = RoutingAttribution.Of(again, model.Experts.Count);
        RoutingAttribution meanwhile = RoutingAttribution.Of(during, model.Experts.Count);

        // The last token is written, not read.
        Assert.Equal((ids.Count, ids.Count - 1), (afterwards.Tokens, meanwhile.Tokens));
        for (int t = 0; t < meanwhile.Tokens; t++)
        {
            Assert.Equal(model.Description.LayerCount * 3, meanwhile.Choices(t).Length);
            Assert.Equal(meanwhile.Choices(t).ToArray(), afterwards.Choices(t).ToArray());
        }
    }

    [Fact]
    public void Read_FullContextInPieces_EqualsItsBeginningReadAlone()
    {
        LanguageModel model = shipped.Model;
        int[] ids = [.. Enumerable.Range(0, model.Transformer.ContextLength).Select(i => 200 + i * 7 % 5000)];
        List<long> progress = [];

        RoutingTrace whole = RoutingTrace.Read(model, ids, progress: new Collecting(progress));
        RoutingTrace beginning = RoutingTrace.Read(model, ids.AsSpan(0, 5));

        Assert.Equal(ids.Length, progress[^1]);
        Assert.Equal(beginning.Choices.Order(ByPlace), whole.Choices.Where(c => c.Position < 5).Order(ByPlace));
    }

    [Fact]
    public void Read_TooLongOrCancelled_ThrowsAndGivesItsCacheBack()
    {
        LanguageModel model = shipped.Model;
        int free = model.Transformer.FreeCacheBlocks;
        using CancellationTokenSource stop = new();
        stop.Cancel();

        ArgumentException tooLong = Assert.Throws<ArgumentException>(() => RoutingTrace.Read(model, new int[1025]));
        Assert.Contains("1025", tooLong.Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(() => RoutingTrace.Read(model, [1, 2], cancellationToken: stop.Token));
        Assert.Empty(RoutingTrace.Read(model, []).Choices);
        Assert.Equal(free, model.Transformer.FreeCacheBlocks);
    }

    private static Comparer<RoutingChoice> ByPlace { get; } =
        Comparer<RoutingChoice>.Create((a, b) => (a.Position, a.Layer, a.Expert).CompareTo((b.Position, b.Layer, b.Expert)));

    private sealed class Collecting(List<long> done) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => done.Add(value.Done);
    }
}
