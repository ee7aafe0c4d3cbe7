using System.Text.Json;
using FlexKernel.Caching;
using FlexKernel.Evaluation;
using FlexKernel.Generation;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class EvaluatorTests
{
    private static readonly string[] Documents =
    [
        "The patient was given the new treatment for two weeks.\n\nIt helped.",
        "def __init__(self, name):\n    self.name = name\n",
        "",
        "Let $X$ be a scheme, and let " + string.Concat(Enumerable.Repeat("the group act on the set of all points. ", 20)),
    ];

    private static readonly ChoiceItem[] Items =
    [
        new("a", "t", "d", "The patient was", [" given the treatment.", " a scheme", " not"], 0),
        new("b", "t", "d", "", ["The", " patient was here"], 1),
        new("c", "t", "d", "It ends with a full stop.", ["\nNext line", " same line", "\n\nParagraph"], 1),
        new("d", "t", "d", Documents[3] + " ", ["points.", "the set of all points, and more"], 0),
    ];

    [Fact]
    public void ScoreChoices_AnyBatchAndCache_GivesTheBitsOfEachAnswerAlone()
    {
        double[][] alone;
        using (LanguageModel model = Load(new TransformerOptions()))
        {
            alone = [.. Items.Select(item => item.Choices.Select(choice => Alone(model, item.Context, choice)).ToArray())];
        }

        foreach ((int batch, int cache) in ((int, int)[])[(256, 4096), (1024, 8192), (7, 1024), (1, 512), (64, 448)])
        {
            using LanguageModel model = Load(new TransformerOptions { MaxBatchTokens = batch, CacheTokens = cache });
            int free = model.Transformer.FreeCacheBlocks;

            IReadOnlyList<ChoiceResult> results = new Evaluator(model).ScoreChoices(Items);

            Assert.Equal(alone, results.Select(r => r.LogLikelihoods.ToArray()));
            Assert.Equal(free, model.Transformer.FreeCacheBlocks);
        }
    }

    [Theory]
    [InlineData(TextScoring.Stream)]
    [InlineData(TextScoring.Rolling)]
    public void ScoreTexts_AnyBatch_GivesTheSameBits(TextScoring scoring)
    {
        List<TextEvaluation> scores = [];
        foreach ((int batch, int cache) in ((int, int)[])[(256, 1024), (512, 4096), (3, 128)])
        {
            using LanguageModel model = Load(new TransformerOptions { MaxBatchTokens = batch, CacheTokens = cache });
            scores.Add(new Evaluator(model, new EvaluationOptions { Window = 64 }).ScoreTexts(Documents, scoring));
        }

        Assert.All(scores, score => Assert.Equal(scores[0].Documents, score.Documents));
        Assert.Equal(Documents.Length, scores[0].Documents.Count);
        Assert.Equal(Documents.Sum(d => d.Length), scores[0].Total.Bytes);
        Assert.True(scores[0].Windows > 3);
    }

    [Fact]
    public void ScoreTexts_RollingInOneWindow_IsTheLikelihoodAfterTheBeginningOfATextAndStreamAddsTheEnd()
    {
        using LanguageModel model = Load(new TransformerOptions());
        double whole = Alone(model, "", Documents[0]);

        TextEvaluation rolling = new Evaluator(model).ScoreTexts([Documents[0]], TextScoring.Rolling);
        TextEvaluation stream = new Evaluator(model).ScoreTexts([Documents[0]], TextScoring.Stream);

        Assert.Equal(whole, rolling.Total.LogLikelihood);
        Assert.Equal(rolling.Total.Tokens + 1, stream.Total.Tokens);
        Assert.Equal(rolling.Total.Bytes, stream.Total.Bytes);
        Assert.True(stream.Total.LogLikelihood < whole);
    }

    [Fact]
    public void ScoreTexts_MaxWindows_EndsThereAndCountsTheBytesPredicted()
    {
        using LanguageModel model = Load(new TransformerOptions());

        TextEvaluation cut = new Evaluator(model, new EvaluationOptions { Window = 8, MaxWindows = 3 }).ScoreTexts(Documents, TextScoring.Stream);

        int[] ids = [.. model.Tokenizer.Encode(Documents[0]), model.Description.EndOfSequenceIds[0], .. model.Tokenizer.Encode(Documents[1])];
        int end = model.Tokenizer.Encode(Documents[0]).Length;
        int expected = Enumerable.Range(0, 24).Where(i => i != end).Sum(i => model.Tokenizer.GetTokenBytes(ids[i]).Length);
        Assert.Equal((3, 24, expected), (cut.Windows, cut.Total.Tokens, cut.Total.Bytes));
    }

    [Fact]
    public void Answer_SeveralAtOnce_IsWhatGreedyGenerationWritesUpToTheLineBreak()
    {
        using LanguageModel model = Load(new TransformerOptions { CacheTokens = 512 });
        string[] prompts = ["The patient was", "def __init__(self", "Let $X$ be a", "Der var engang", "12 + 7 ="];
        string[] expected = [.. prompts.Select(p => Greedy(model, p).Split('\n')[0])];
        ExactMatchItem[] items = [.. prompts.Zip(expected).Select(p => new ExactMatchItem("", null, null, p.First, p.Second, AnswerForm.FirstLine))];

        IReadOnlyList<ExactMatchResult> results = new Evaluator(model, new EvaluationOptions { MaxTokens = 24 }).Answer(items);

        Assert.Equal(expected, results.Select(r => r.Text));
        Assert.All(results, result => Assert.True(result.IsMatch));
    }

    [Fact]
    public void Evaluate_LongerThanTheContext_LosesItsBeginning()
    {
        using LanguageModel model = Load(new TransformerOptions { ContextLength = 32, CacheTokens = 256 });
        string filler = string.Concat(Enumerable.Repeat("nothing of importance. ", 30));

        ChoiceItem[] items = [Items[0] with { Context = filler + "The patient was" }, Items[0] with { Context = filler + filler + "The patient was" }];
        IReadOnlyList<ChoiceResult> results = new Evaluator(model).ScoreChoices(items);
        ExactMatchResult answer = new Evaluator(model, new EvaluationOptions { MaxTokens = 8 })
            .Answer([new ExactMatchItem("x", null, null, filler, "y", AnswerForm.FirstLine)])[0];

        Assert.All(results, result => Assert.True(result.IsCut));
        Assert.Equal(results[0].LogLikelihoods, results[1].LogLikelihoods);
        Assert.True(answer.IsCut);
        ChoiceItem endless = Items[0] with { Choices = [filler] };
        Assert.Contains("'a'", Assert.Throws<ArgumentException>(() => new Evaluator(model).ScoreChoices([endless])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluate_FullCacheOrCancelled_GivesAllBlocksBack()
    {
        using LanguageModel model = Load(new TransformerOptions { CacheTokens = 192 });
        int free = model.Transformer.FreeCacheBlocks;
        using CancellationTokenSource stop = new();
        stop.Cancel();

        Assert.Throws<KvCacheFullException>(() => new Evaluator(model).ScoreChoices([Items[3]]));
        Assert.Throws<OperationCanceledException>(() => new Evaluator(model).ScoreChoices(Items[..2], null, stop.Token));
        Assert.Equal(free, model.Transformer.FreeCacheBlocks);
        Assert.Throws<ArgumentException>(() => new Evaluator(model, new EvaluationOptions { Window = 2000 }).ScoreTexts(Documents, TextScoring.Stream));
    }

    [Fact]
    public void ScoreChoices_ReportsProgressToItsEnd()
    {
        using LanguageModel model = Load(new TransformerOptions());
        Last last = new();

        new Evaluator(model).ScoreChoices(Items, last);

        Assert.Equal(last.Value.Total, last.Value.Done);
        Assert.True(last.Value.Total > 100);
    }

    [Fact]
    public void ShippedMixture_OneDomainWithOneExpert_HasThePublishedBitsPerByte()
    {
        IReadOnlyList<string> documents = EvaluationFile.ReadDocuments(TestData.Large("corpora/danish.valid.txt.gz"));
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(TestData.Large("golden/tiny-mixture/expected.json")));
        JsonElement run = expected.RootElement.GetProperty("sets").GetProperty("danish").GetProperty("k1");
        using LanguageModel model = Load(new TransformerOptions());
        EvaluationOptions options = new() { ActiveExperts = 1, Window = 256, MaxWindows = run.GetProperty("windows").GetInt32() };

        TextScore total = new Evaluator(model, options).ScoreTexts(documents, TextScoring.Stream).Total;

        Assert.Equal(run.GetProperty("bytes").GetInt64(), total.Bytes);
        Assert.Equal(run.GetProperty("bits_per_byte").GetDouble(), total.BitsPerByte, 1e-5 * total.BitsPerByte);
    }

    private static LanguageModel Load(TransformerOptions options) =>
        LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = 2, Transformer = options });

    // Straight from the definition: one sequence, all logits, no sharing.
    private static double Alone(LanguageModel model, string context, string choice)
    {
        PairEncoding pair = PairEncoding.Of(model.Tokenizer, context, choice);
        int[] ids = context.Length == 0 ? [.. model.EncodePrompt(""), .. pair.Whole] : pair.Whole;
        using Sequence sequence = model.Transformer.StartSequence();
        using ForwardBatch batch = model.Transformer.CreateBatch();
        double sum = 0;
        for (int i = 0; i + 1 < ids.Length; i++)
        {
            batch.Clear();
            batch.Add(sequence, [ids[i]], LogitRows.All);
            model.Transformer.Forward(batch);
            sum += i + 1 < ids.Length - pair.Continuation.Length ? 0 : LogSoftmax.At(batch.Logits(0), ids[i + 1]);
        }

        return sum;
    }

    private static string Greedy(LanguageModel model, string prompt)
    {
        using Generator generator = model.Start(model.EncodePrompt(prompt), new GenerationOptions { MaxTokens = 24 });
        string text = "";
        while (generator.Next())
        {
            text += generator.Text.ToString();
        }

        return text;
    }

    private sealed class Last : IProgress<WorkProgress>
    {
        public WorkProgress Value { get; private set; }

        public void Report(WorkProgress value) => Value = value;
    }
}
