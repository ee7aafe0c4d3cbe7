using System.Collections.Frozen;
using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>A model loaded without experts: the bits of excluding them per request, and not one of their bytes read.</summary>
public sealed class PartialLoadTests
{
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8, 120, 77, 41, 12, 99, 3];

    /// <summary>Separate and fused full experts, low-rank ones, and chains of them; subsets as bit masks.</summary>
    public static TheoryData<string, int> Subsets
    {
        get
        {
            TheoryData<string, int> data = [];
            foreach ((string name, int experts) in new[]
                { ("flexolmo-subsets", 6), ("flexmore-mixed", 6), ("flexmore-chained", 6), ("flexolmo-headdim-fused/fused", 4) })
            {
                for (int kept = 1; kept < 1 << experts; kept++)
                {
                    data.Add(name, kept);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Subsets))]
    public void Load_Excluding_EqualsExclusionPerRequest(string name, int kept)
    {
        string directory = TestData.Fixture($"models/{name}");
        using ModelWeights whole = ModelLoader.Load(directory);
        ExpertSelection selection = new() { Excluded = Names(whole, e => (kept & 1 << e) == 0) };
        LoadOptions options = new() { Experts = selection };
        ImmutableArray<ExpertDescription> experts = whole.Description.Mixture!.Experts;
        int[] missing = [.. experts.Where(e => (kept & 1 << e.Index) != 0).SelectMany(Ancestors).Where(e => (kept & 1 << e) == 0).Order()];
        if (missing.Length > 0)
        {
            ArgumentException error = Assert.Throws<ArgumentException>(() => ModelLoader.Load(directory, options));
            Assert.StartsWith($"Expert '{experts[missing[0]].Name}' cannot be left out: ", error.Message, StringComparison.Ordinal);
            Assert.Contains("need it as their base", error.Message, StringComparison.Ordinal);
            return;
        }

        using ModelWeights part = ModelLoader.Load(directory, options);

        Assert.Equal(OneSequence.Logits(whole, Tokens, selection), OneSequence.Logits(part, Tokens, selection));
        Assert.Equal(OneSequence.Logits(whole, Tokens, selection), OneSequence.Logits(part, Tokens));
        Assert.Equal(ExpertCatalogue.Of(whole.Description).Names, ExpertCatalogue.Of(part.Description).Names);
        Assert.Equal(kept == (1 << experts.Length) - 1, part.ByteCount == whole.ByteCount);

        IEnumerable<int> Ancestors(ExpertDescription expert) => expert.IsFull ? [] : Ancestors(experts[expert.Base]).Append(expert.Base);
    }

    [Theory]
    [InlineData("flexmore-mixed")]
    [InlineData("flexmore-chained")]
    public void Load_AllowingOne_KeepsItsBaseFromTheRouter(string name)
    {
        string directory = TestData.Fixture($"models/{name}");
        using ModelWeights whole = ModelLoader.Load(directory);
        ExpertDescription last = whole.Description.Mixture!.Experts.Last(e => !e.IsFull);
        ExpertSelection selection = new() { Allowed = Set(last.Name) };

        using ModelWeights part = ModelLoader.Load(directory, new LoadOptions { Experts = selection });

        Assert.True(part.ByteCount < whole.ByteCount);
        Assert.Equal(OneSequence.Logits(whole, Tokens, selection), OneSequence.Logits(part, Tokens));
        string root = whole.Description.Mixture.Experts[last.Root].Name;
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => OneSequence.Logits(part, Tokens, new ExpertSelection { Allowed = Set(last.Name, root) }));
        Assert.Contains($"loaded without: {root}. Loaded: {last.Name}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_Densified_EqualsExclusionPerRequest()
    {
        string directory = TestData.Fixture("models/flexmore-mixed");
        LoadOptions all = new() { Densification = Densification.Always };
        using ModelWeights whole = ModelLoader.Load(directory, all);
        ExpertSelection selection = new() { Excluded = Names(whole, e => e is 1 or 5) };

        using ModelWeights part = ModelLoader.Load(directory, all with { Experts = selection });

        Assert.Equal(OneSequence.Logits(whole, Tokens, selection), OneSequence.Logits(part, Tokens));
    }

    [Theory]
    [InlineData("flexmore-mixed", 5)]
    [InlineData("flexolmo-subsets", 2)]
    [InlineData("flexolmo-headdim-fused/fused", 1)]
    public void Load_Excluding_TouchesNoByteOfTheExpert(string name, int expert)
    {
        string source = TestData.Fixture($"models/{name}");
        using TemporaryDirectory directory = new();
        directory.CopyFrom(source);
        List<(string Tensor, TensorPart Part)> forbidden = Poison(directory.Path, expert);
        Assert.NotEmpty(forbidden);
        ModelDescription stored = ModelConfigReader.Read(directory["config.json"]);
        LoadOptions options = new() { Experts = new ExpertSelection { Excluded = new[] { $"{expert}" }.ToFrozenSet() } };
        List<(string Tensor, TensorPart Part)> reads = [];
        using WeightFiles files = WeightFiles.Open(directory.Path);
        foreach (SafetensorsFile file in files.Files)
        {
            file.ReadTrace = (tensor, part) => reads.Add((tensor.Name, part));
        }

        using ModelWeights part = ModelLoader.Load(files, stored, directory.Path, options, null, TestContext.Current.CancellationToken);

        Assert.NotEmpty(reads);
        Assert.DoesNotContain(reads, read => forbidden.Any(
            f => f.Tensor == read.Tensor && f.Part.Begin < read.Part.End && read.Part.Begin < f.Part.End));
        Assert.Equal(files.TensorBytes - forbidden.Sum(f => f.Part.End - f.Part.Begin), reads.Sum(r => r.Part.End - r.Part.Begin));
        using ModelWeights clean = ModelLoader.Load(source);
        Assert.Equal(OneSequence.Logits(clean, Tokens, options.Experts), OneSequence.Logits(part, Tokens));
        Assert.Empty(part.FileSha256);
        Assert.Equal(
            CheckpointError.NonFiniteValue, Assert.Throws<CheckpointException>(() => ModelLoader.Load(directory.Path)).Error);
    }

    [Theory]
    [InlineData("9", "unknown experts: 9")]
    [InlineData("0,1,2,3,4,5", "leaves no expert")]
    public void Load_ImpossibleSelection_IsAnError(string excluded, string message)
    {
        LoadOptions options = new() { Experts = new ExpertSelection { Excluded = excluded.Split(',').ToFrozenSet() } };

        ArgumentException error = Assert.Throws<ArgumentException>(
            () => ModelLoader.Load(TestData.Fixture("models/flexolmo-subsets"), options));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DenseModelWithASelection_IsAnError()
    {
        LoadOptions options = new() { Experts = new ExpertSelection { Excluded = Set("0") } };

        Assert.Throws<ArgumentException>(() => ModelLoader.Load(TestData.Fixture("models/olmo2"), options));
    }

    [Fact]
    public void Request_ForNothingThatIsLoaded_IsAnError()
    {
        LoadOptions options = new() { Experts = new ExpertSelection { Excluded = Set("3", "4", "5") } };
        using ModelWeights part = ModelLoader.Load(TestData.Fixture("models/flexolmo-subsets"), options);

        ArgumentException rest = Assert.Throws<ArgumentException>(
            () => OneSequence.Logits(part, Tokens, new ExpertSelection { Excluded = Set("0", "1", "2") }));
        ArgumentException gone = Assert.Throws<ArgumentException>(
            () => OneSequence.Logits(part, Tokens, new ExpertSelection { Allowed = Set("1", "4") }));

        Assert.Contains("none of the experts that the model was loaded with", rest.Message, StringComparison.Ordinal);
        Assert.Contains("loaded without: 4. Loaded: 0, 1, 2", gone.Message, StringComparison.Ordinal);
    }

    private static FrozenSet<string> Set(params string[] names) => names.ToFrozenSet();

    private static FrozenSet<string> Names(ModelWeights weights, Func<int, bool> condition) =>
        weights.Description.Mixture!.Experts.Where(e => condition(e.Index)).Select(e => e.Name).ToFrozenSet();

    // Overwrites everything of one expert with NaN and says where: its tensors, its part of fused ones, its router rows.
    private static List<(string Tensor, TensorPart Part)> Poison(string directory, int expert)
    {
        List<(string Tensor, TensorPart Part, long Position)> parts = [];
        string path;
        using (WeightFiles files = WeightFiles.Open(directory))
        {
            path = Assert.Single(files.Files).Path;
            foreach (StoredTensor tensor in files.Tensors)
            {
                bool own = tensor.Entry.Name.Contains($".experts.{expert}.", StringComparison.Ordinal);
                bool row = tensor.Entry.Name.EndsWith("mlp.gate.weight", StringComparison.Ordinal) || tensor.Entry.Shape.Length == 3;
                long bytes = row ? tensor.Entry.ByteCount / tensor.Entry.Shape[0] : tensor.Entry.ByteCount;
                long begin = row ? expert * bytes : 0, position = tensor.File.DataStart + tensor.Entry.Begin + begin;
                if (own || row)
                {
                    parts.Add((tensor.Entry.Name, new TensorPart(begin, begin + bytes), position));
                }
            }
        }

        using FileStream stream = File.OpenWrite(path);
        foreach ((_, TensorPart part, long position) in parts)
        {
            stream.Position = position;
            stream.Write([.. Enumerable.Repeat((byte)0xFF, (int)(part.End - part.Begin))]);
        }

        return [.. parts.Select(p => (p.Tensor, p.Part))];
    }
}
