using System.Collections.Frozen;
using FlexKernel.Checkpoints;
using FlexKernel.Distribution;
using FlexKernel.Model;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Distribution;

public sealed class ModelPullTests
{
    private static readonly int[] Tokens = [5, 51, 17, 60, 33, 8, 2, 47, 41, 12, 19, 3];

    // Of the others one and two experts: every pull waits for the disk many times.
    private static readonly string[] AllSubsets = ["flexolmo-subsets", "flexmore-chained"];

    /// <summary>Mixtures of every layout: separate and fused, one file and shards, full, low-rank and chained experts.</summary>
    public static TheoryData<string> Mixtures =>
    [
        "flexolmo-subsets", "flexmore-mixed", "flexmore-chained", "flexmore-bf16", "flexmore-f16", "flexolmo-headdim-fused/fused",
        "flexolmo-e7-allk", "olmoe", "mixtral",
    ];

    [Theory]
    [MemberData(nameof(Mixtures))]
    public async Task Experts_AnySubsetByHttp_HasTheBitsOfTheWholeModelThatMayNotUseTheOthers(string fixture)
    {
        using TemporaryDirectory source = PullRun.ModelOf(fixture), results = new();
        using TestWebServer server = new(source.Path);
        using ModelWeights whole = ModelLoader.Load(source.Path);
        string[] names = [.. whole.Description.Mixture!.Experts.Select(expert => expert.Name)];
        HashSet<string> compared = [];
        for (int mask = 1; mask < 1 << names.Length; mask++)
        {
            string[] wanted = [.. names.Where((_, e) => (mask & 1 << e) != 0)];
            string[] kept = WithBases(whole.Description.Mixture.Experts, wanted);
            if ((wanted.Length > 2 && !AllSubsets.Contains(fixture)) || !compared.Add(string.Join(',', kept)))
            {
                continue;
            }

            await PullRun.RunAsync(server.Address, results[$"{mask}"], PullRun.Quick(wanted));

            using ModelWeights part = ModelLoader.Load(results[$"{mask}"]);
            Assert.Equal(kept.Length, part.Description.Mixture!.Count);
            float[] expected = OneSequence.Logits(whole, Tokens, new ExpertSelection { Allowed = kept.ToFrozenSet() });
            Assert.Equal(expected, OneSequence.Logits(part, Tokens));
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{compared.Count} subsets");
    }

    [Theory]
    [InlineData("flexolmo-e7-allk")]
    [InlineData("flexmore-chained")]
    [InlineData("olmo2")]
    public async Task NoSelection_CopiesEveryFileByteForByte(string fixture)
    {
        using TemporaryDirectory source = PullRun.ModelOf(fixture), results = new();
        source.Write("README.md", "about"u8);
        using TestWebServer server = new(source.Path);

        await PullRun.RunAsync(server.Address, results["http"], PullRun.Quick());
        await PullRun.RunAsync(source.Path, results["path"], PullRun.Quick());
        await PullRun.RunAsync(new Uri(source.Path).AbsoluteUri, results["file"], PullRun.Quick());

        Dictionary<string, byte[]> copy = PullRun.Contents(results["http"]);
        Assert.Equal(["SHA256SUMS", "model.tensors.sha256"], copy.Keys.Except(source.Names).Order(StringComparer.Ordinal));
        Assert.All(source.Names, name => Assert.Equal(TestData.Bytes(source[name]), copy[name]));
        Assert.Equal(copy, PullRun.Contents(results["path"]));
        Assert.Equal(copy, PullRun.Contents(results["file"]));
        Assert.Equal(["file", "http", "path"], results.Names);
    }

    [Theory]
    [MemberData(nameof(Mixtures))]
    public async Task Experts_FromADirectory_IsTheSameResultAsByHttpAndOfACopy(string fixture)
    {
        using TemporaryDirectory source = PullRun.ModelOf(fixture), results = new();
        using TestWebServer server = new(source.Path);
        PullOptions options = PullRun.Quick("0", "1");

        await PullRun.RunAsync(source.Path, results["path"], options);
        await PullRun.RunAsync(server.Address, results["http"], options);
        server.HasRanges = false;
        PullReport through = await PullRun.RunAsync(server.Address, results["through"], options);
        await PullRun.RunAsync(server.Address, results["copy"], PullRun.Quick());
        await PullRun.RunAsync(results["copy"], results["later"], options);

        Dictionary<string, byte[]> expected = PullRun.Contents(results["path"]);
        Assert.Equal(expected, PullRun.Contents(results["http"]));
        Assert.Equal(expected, PullRun.Contents(results["through"]));
        Assert.Equal(expected, PullRun.Contents(results["later"]));
        Assert.Contains(through.Notes, note => note.Contains("ignores byte ranges", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("flexolmo-subsets")]
    [InlineData("flexolmo-e7-allk")]
    [InlineData("flexolmo-headdim-fused/fused")]
    public async Task Experts_NoByteOfTheOthersIsAskedFor(string fixture)
    {
        using TemporaryDirectory source = PullRun.ModelOf(fixture), results = new();
        using TestWebServer server = new(source.Path);
        using ModelPull pull = await ModelPull.OpenAsync(server.Address, PullRun.Quick("0", "2"), TestContext.Current.CancellationToken);
        await pull.TransferAsync(results["part"], null, TestContext.Current.CancellationToken);

        Assert.Equal(pull.Plan.TransferBytes, server.BodyBytes);
        using WeightFiles weights = WeightFiles.Open(source.Path);
        ModelDescription description = ModelConfigReader.Read(source["config.json"]);
        TensorMap map = new TensorLayout(description).Resolve(TensorShape.Of(weights), "");
        int checkedTensors = 0;
        foreach (StoredTensor tensor in weights.Tensors)
        {
            TensorSlot slot = map.Slots[tensor.Entry.Name];
            bool isFused = slot.Role is TensorRole.FusedDown or TensorRole.FusedGateUp or TensorRole.Router;
            long row = isFused ? tensor.Entry.ByteCount / description.Mixture!.Count : 0;
            (long From, long To)[] forbidden = isFused ? [(row, 2 * row), (3 * row, tensor.Entry.ByteCount)]
                : slot.Expert is TensorSlot.None or 0 or 2 ? []
                : [(0, tensor.Entry.ByteCount)];
            long start = tensor.File.DataStart + tensor.Entry.Begin;
            foreach (WebRequest request in server.Requests.Where(request => request.Name == Path.GetFileName(tensor.File.Path)))
            {
                (long first, long last) = request.Range!.Value;
                Assert.DoesNotContain(forbidden, range => first < start + range.To && last >= start + range.From);
            }

            checkedTensors += forbidden.Length;
        }

        Assert.True(checkedTensors > 4);
    }

    [Fact]
    public async Task Experts_ABaseIsKeptAndNamed_AnExcludedBaseIsRefused()
    {
        using TemporaryDirectory results = new();
        string models = TestData.Repository("models");

        PullReport report = await PullRun.RunAsync(models, results["kept"], PullRun.Quick("code", "medical"));
        PullOptions without = PullRun.Quick() with { Experts = new ExpertSelection { Excluded = ["public"] } };
        ArgumentException refused = await Assert.ThrowsAsync<ArgumentException>(
            () => PullRun.RunAsync(models, results["refused"], without));

        Assert.Contains("public is kept too: it is the base of medical", report.Notes);
        Assert.Contains("'public' cannot be excluded: it is the base of 'legal'", refused.Message, StringComparison.Ordinal);
        ModelDescription part = ModelConfigReader.Read(Path.Combine(results["kept"], "config.json"));
        Assert.Equal(["public", "code", "medical"], part.Mixture!.Experts.Select(expert => expert.Name));
        Assert.Equal([0, 0, 32], part.Mixture.Experts.Select(expert => expert.Rank));
        Assert.Equal(["kept"], results.Names);
    }

    [Fact]
    public async Task Experts_OfADenseModelOrUnknown_AreRefused()
    {
        using TemporaryDirectory dense = PullRun.ModelOf("olmo2"), mixture = PullRun.ModelOf("olmoe"), results = new();

        await Assert.ThrowsAsync<ArgumentException>(() => PullRun.RunAsync(dense.Path, results["a"], PullRun.Quick("0")));
        await Assert.ThrowsAsync<ArgumentException>(() => PullRun.RunAsync(mixture.Path, results["a"], PullRun.Quick("law")));

        Assert.Empty(results.Names);
    }

    [Fact]
    public async Task Copy_OfAnUnknownArchitecture_IsMadeAndSaysSo()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmo2"), results = new();
        source.Write("config.json", "{\"model_type\": \"novel\"}"u8);

        PullReport report = await PullRun.RunAsync(source.Path, results["copy"], PullRun.Quick());

        Assert.Contains(report.Notes, note => note.Contains("does not run", StringComparison.Ordinal));
    }

    private static string[] WithBases(IReadOnlyList<ExpertDescription> experts, string[] wanted)
    {
        HashSet<int> kept = [];
        foreach (string name in wanted)
        {
            ExpertDescription expert = experts.Single(e => e.Name == name);
            while (kept.Add(expert.Index) && expert.Base != expert.Index)
            {
                expert = experts[expert.Base];
            }
        }

        return [.. kept.Order().Select(e => experts[e].Name)];
    }
}
