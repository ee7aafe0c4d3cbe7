using System.Collections.Frozen;
using FlexKernel.Caching;
using FlexKernel.Embeddings;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Tests.Generation;
using Xunit;

namespace FlexKernel.Tests.Embeddings;

public sealed class EmbedderTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    public static TheoryData<Pooling, EmbeddingSource> Kinds
    {
        get
        {
            TheoryData<Pooling, EmbeddingSource> data = [];
            foreach (Pooling pooling in Enum.GetValues<Pooling>())
            {
                data.Add(pooling, EmbeddingSource.FinalNorm);
                data.Add(pooling, EmbeddingSource.RouterInput);
            }

            return data;
        }
    }

    private LanguageModel Model => shipped.Model;

    private Embedder Embedder => new(shipped.Model);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Embed_ManyTogether_GivesTheBitsOfEachAlone(Pooling pooling, EmbeddingSource source)
    {
        int[][] documents = Documents(seed: 11, count: 24, longest: 90);
        EmbeddingOptions options = new() { Pooling = pooling, Source = source };

        float[][] together = Embedder.Embed(documents, options);

        for (int i = 0; i < documents.Length; i++)
        {
            Assert.Equal(Assert.Single(Embedder.Embed([documents[i]], options)), together[i]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(1000)]
    public void Embed_AnyPassSize_GivesTheBitsOfWholeDocuments(int passTokens)
    {
        int[][] documents = [.. Documents(seed: 12, count: 6, longest: 40), Document(new Random(13), 300)];
        float[][] expected = Embedder.Embed(documents);
        using LanguageModel model = Load(new TransformerOptions { MaxBatchTokens = passTokens, CacheTokens = 1024 });

        Assert.Equal(expected, new Embedder(model).Embed(documents));
    }

    [Fact]
    public void Embed_MeanOfADocument_IsTheMeanOfTheLastTokensOfItsBeginnings()
    {
        int[] document = Document(new Random(15), 9);
        int[][] beginnings = [.. Enumerable.Range(1, document.Length).Select(length => document[..length])];

        float[][] last = Embedder.Embed(beginnings, new EmbeddingOptions { Pooling = Pooling.LastToken, Normalize = false });
        float[][] mean = Embedder.Embed([document], new EmbeddingOptions { Normalize = false });
        float[][] first = Embedder.Embed([document], new EmbeddingOptions { Pooling = Pooling.FirstToken, Normalize = false });

        Assert.Equal(EmbeddingVector.Mean(last), mean[0]);
        Assert.Equal(last[0], first[0]);
    }

    [Fact]
    public void Embed_Defaults_AreUnitVectorsOfTheModelsWidth()
    {
        float[][] embeddings = Embedder.Embed(["The patient was given", "def main():", "Der var engang en mand"]);

        Assert.Equal(Model.Description.HiddenSize, Embedder.Dimensions);
        Assert.All(embeddings, vector => Assert.Equal(Embedder.Dimensions, vector.Length));
        Assert.All(embeddings, vector => Assert.Equal(1, Similarity.Dot(vector, vector), 1e-6));
    }

    [Fact]
    public void Embed_Dimensions_AreTheFirstComponentsNormalisedAgain()
    {
        int[][] document = [Document(new Random(16), 20)];
        float[] whole = Embedder.Embed(document, new EmbeddingOptions { Normalize = false })[0];

        float[] cut = Embedder.Embed(document, new EmbeddingOptions { Dimensions = 16 })[0];
        float[] bare = Embedder.Embed(document, new EmbeddingOptions { Dimensions = 16, Normalize = false })[0];

        Assert.Equal(whole[..16], bare);
        Assert.Equal(16, cut.Length);
        Assert.All(EmbeddingVector.Shorten(whole, 16).Zip(cut), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
    }

    [Fact]
    public void EmbedPerExpert_EachAlone_EqualsAllowingIt()
    {
        int[][] documents = Documents(seed: 17, count: 3, longest: 30);

        IReadOnlyList<ExpertEmbeddings> all = Embedder.EmbedPerExpert(documents);

        Assert.Equal(Model.Experts.Names, all.Select(expert => expert.Expert));
        Assert.All(all, expert => Assert.Equal(
            Embedder.Embed(documents, new EmbeddingOptions { Experts = Only(expert.Expert), ActiveExperts = 1 }), expert.Embeddings));
        Assert.Equal(all.Count, all.Select(expert => string.Join(' ', expert.Embeddings[0])).Distinct().Count());
    }

    [Fact]
    public void EmbedPerExpert_ExcludedExperts_ChangeNothingButThemselves()
    {
        int[][] documents = Documents(seed: 18, count: 3, longest: 30);
        IReadOnlyList<ExpertEmbeddings> all = Embedder.EmbedPerExpert(documents);
        EmbeddingOptions options = new() { Experts = new ExpertSelection { Excluded = FrozenSet.Create("medical", "code") } };

        IReadOnlyList<ExpertEmbeddings> some = Embedder.EmbedPerExpert(documents, options);

        Assert.Equal(["public", "math", "legal", "danish"], some.Select(expert => expert.Expert));
        Assert.All(some, expert => Assert.Equal(all.Single(e => e.Expert == expert.Expert).Embeddings, expert.Embeddings));
    }

    [Fact]
    public void Embed_Excluding_ChangesTheEmbedding()
    {
        string[] text = ["The patient was given penicillin"];

        float[] with = Embedder.Embed(text)[0];
        ExpertSelection others = new() { Excluded = FrozenSet.Create("medical") };
        float[] without = Embedder.Embed(text, new EmbeddingOptions { Experts = others })[0];

        Assert.InRange(Similarity.Cosine(with, without), 0.5, 0.9999);
    }

    [Fact]
    public void Embed_LongerThanTheContext_IsRefusedOrCut()
    {
        using LanguageModel model = Load(new TransformerOptions { ContextLength = 20 });
        Embedder embedder = new(model);
        int[] document = Document(new Random(19), 21);

        ArgumentException error = Assert.Throws<ArgumentException>(() => embedder.Embed([document[..3], document]));
        float[][] cut = embedder.Embed([document], new EmbeddingOptions { Truncate = true });

        Assert.Contains("Document 1 has 21 tokens; the context holds 20.", error.Message, StringComparison.Ordinal);
        Assert.Equal(embedder.Embed([document[..20]]), cut);
    }

    [Fact]
    public void Embed_SmallCache_TakesDocumentsInTurns()
    {
        int[][] documents = Documents(seed: 20, count: 30, longest: 100);
        using LanguageModel model = Load(new TransformerOptions { ContextLength = 128, CacheTokens = 128 });
        int free = model.Transformer.FreeCacheBlocks;

        float[][] embeddings = new Embedder(model).Embed(documents);

        Assert.Equal(Embedder.Embed(documents), embeddings);
        Assert.Equal(free, model.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public void Embed_CacheTakenByOthers_FailsAndGivesItsOwnBack()
    {
        using LanguageModel model = Load(new TransformerOptions { ContextLength = 128, CacheTokens = 128 });
        using Generator generator = model.Start(Document(new Random(21), 60));
        Assert.True(generator.Next(TestContext.Current.CancellationToken));
        int free = model.Transformer.FreeCacheBlocks;

        Assert.Throws<KvCacheFullException>(() => new Embedder(model).Embed([Document(new Random(22), 100)]));

        Assert.Equal(free, model.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public void Embed_CancelledHalfWay_GivesTheCacheBack()
    {
        using CancellationTokenSource stop = new();
        int free = Model.Transformer.FreeCacheBlocks;
        Reports reports = new(report =>
        {
            if (report.Done > 0)
            {
                stop.Cancel();
            }
        });

        Assert.Throws<OperationCanceledException>(() => Embedder.Embed([Document(new Random(23), 700)], null, reports, stop.Token));

        Assert.Equal(free, Model.Transformer.FreeCacheBlocks);
    }

    [Fact]
    public void Embed_Progress_CountsAllTokens()
    {
        int[][] documents = Documents(seed: 24, count: 12, longest: 80);
        List<WorkProgress> seen = [];

        Embedder.Embed(documents, progress: new Reports(seen.Add));

        Assert.Equal(documents.Sum(d => d.Length), seen[^1].Done);
        Assert.All(seen, report => Assert.Equal(seen[^1].Done, report.Total));
        Assert.Equal(seen.Select(report => report.Done).Order(), seen.Select(report => report.Done));
    }

    [Fact]
    public async Task Embed_BesideOtherEmbeddingsAndAGeneration_GivesTheSameBits()
    {
        int[][] documents = Documents(seed: 25, count: 10, longest: 120);
        float[][] expected = Embedder.Embed(documents);
        Embedder shared = Embedder;
        int[] prompt = Model.EncodePrompt("The patient was");
        int[] alone = Generate(prompt);

        Task<int[]> generation = Task.Run(() => Generate(prompt), TestContext.Current.CancellationToken);
        float[][][] results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => shared.Embed(documents))));

        Assert.All(results, result => Assert.Equal(expected, result));
        Assert.Equal(alone, await generation);
    }

    [Fact]
    public void Embed_NoDocuments_GivesNothing()
    {
        Assert.Empty(Embedder.Embed(Array.Empty<string>()));
        IReadOnlyList<ExpertEmbeddings> perExpert = Embedder.EmbedPerExpert(Array.Empty<string>());
        Assert.Equal(6, perExpert.Count);
        Assert.All(perExpert, expert => Assert.Empty(expert.Embeddings));
    }

    [Fact]
    public void Embed_WrongArguments_SayWhatIsWrong()
    {
        AssertRefused("Document 1 has no token", () => Embedder.Embed([[1], []]));
        AssertRefused("Dimensions is 0", () => Embedder.Embed([[1]], new EmbeddingOptions { Dimensions = 0 }));
        AssertRefused("Dimensions is 9999", () => Embedder.Embed([[1]], new EmbeddingOptions { Dimensions = 9999 }));
        AssertRefused("outside the vocabulary", () => Embedder.Embed([[1 << 30]]));
        AssertRefused("unknown experts: law", () => Embedder.Embed([[1]], new EmbeddingOptions { Experts = Only("law") }));
        AssertRefused("k is 3", () => Embedder.EmbedPerExpert([[1]], new EmbeddingOptions { ActiveExperts = 3 }));

        static void AssertRefused(string why, Action action) =>
            Assert.Contains(why, Assert.Throws<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    private int[] Generate(int[] prompt)
    {
        using Generator generator = Model.Start(prompt, new GenerationOptions { MaxTokens = 30 });
        List<int> ids = [];
        while (generator.Next())
        {
            ids.Add(generator.TokenId);
        }

        return [.. ids];
    }

    private static LanguageModel Load(TransformerOptions sizes) =>
        LanguageModel.Load(TestData.Repository("models"), new LanguageModelOptions { Threads = 1, Transformer = sizes });

    private static ExpertSelection Only(string expert) => new() { Allowed = FrozenSet.Create(expert) };

    private static int[][] Documents(int seed, int count, int longest)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Document(random, random.Next(1, longest + 1)))];
    }

    private static int[] Document(Random random, int length) => [.. Enumerable.Range(0, length).Select(_ => random.Next(3, 8000))];

    private sealed class Reports(Action<WorkProgress> report) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => report(value);
    }
}
