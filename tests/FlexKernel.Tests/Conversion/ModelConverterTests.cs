using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Model;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Conversion;

public sealed class ModelConverterTests
{
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8, 120, 77, 41, 12, 99, 3];

    /// <summary>Every layout: shards, fused and separate experts, low rank and chains, other names, biases, dense models.</summary>
    public static TheoryData<string> Models =>
    [
        "flexmore-bf16", "flexmore-chained", "flexmore-f16", "flexmore-mixed", "flexmore-overrank", "flexolmo-e3-gqa", "flexolmo-e7-allk",
        "flexolmo-headdim-fused", "flexolmo-headdim-fused/fused", "flexolmo-subsets", "llama-bias", "llama-rope", "mixtral", "olmo2",
        "olmoe",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public void Convert_NothingRounded_GivesTheSameLogits(string name)
    {
        string source = TestData.Fixture($"models/{name}");
        using TemporaryDirectory directory = new();
        float[] expected = Logits(source);

        WrittenModel one = Convert(source, directory["one"], new ConversionOptions { Sharding = Sharding.Files(1) });
        ConversionOptions seven = new() { Sharding = Sharding.Files(7), Threads = 3 };
        WrittenModel many = Convert(directory["one"], directory["many"], seven);
        ConversionOptions small = new() { Type = TensorType.F32, Sharding = Sharding.MaxBytes(50_000) };
        Convert(directory["many"], directory["wide"], small);

        Assert.Equal((1, 7), (one.FileCount, many.FileCount));
        Assert.Equal(expected, Logits(directory["one"]));
        Assert.Equal(expected, Logits(directory["many"]));
        Assert.Equal(expected, Logits(directory["wide"]));
        Assert.Equal("float32", ModelConfigReader.Read(Path.Combine(directory["wide"], "config.json")).StoredType);
        Assert.Equal(["many", "one", "wide"], directory.Names);
    }

    [Fact]
    public void Convert_MergedShards_EqualTheSameFileWrittenFromMany()
    {
        string source = TestData.Fixture("models/flexolmo-e7-allk");
        using TemporaryDirectory directory = new();

        Convert(source, directory["one"], new ConversionOptions { Sharding = Sharding.Files(1), Threads = 1 });
        Convert(directory["one"], directory["five"], new ConversionOptions { Sharding = Sharding.Files(5), Threads = 4 });
        Convert(directory["five"], directory["again"], new ConversionOptions { Sharding = Sharding.Files(1), Threads = 2 });

        Assert.Equal(TestData.Bytes(directory["one/model.safetensors"]), TestData.Bytes(directory["again/model.safetensors"]));
    }

    [Fact]
    public void Convert_FusedAndSplit_GiveEachOther()
    {
        string split = TestData.Fixture("models/flexolmo-headdim-fused"), fused = TestData.Fixture("models/flexolmo-headdim-fused/fused");
        using TemporaryDirectory directory = new();

        Convert(split, directory["fused"], new ConversionOptions { ExpertStorage = ExpertStorage.Fused });
        Convert(fused, directory["split"], new ConversionOptions { ExpertStorage = ExpertStorage.Split });

        AssertSameTensors(fused, directory["fused"]);
        AssertSameTensors(split, directory["split"]);
    }

    [Fact]
    public void Convert_FusingLowRankExperts_IsAnError() => AssertRefused<ArgumentException>(
        "flexmore-mixed", new ConversionOptions { ExpertStorage = ExpertStorage.Fused }, "fused only when all are full");

    [Theory]
    [InlineData(TensorType.BF16, 8, 0xFF)]
    [InlineData(TensorType.F16, 11, 15)]
    public void Convert_Narrower_RoundsToNearestEven(TensorType type, int significantBits, int largestExponent)
    {
        string source = TestData.Fixture("models/flexmore-mixed");
        using TemporaryDirectory directory = new();

        Convert(source, directory["narrow"], new ConversionOptions { Type = type });

        using WeightFiles before = WeightFiles.Open(source), after = WeightFiles.Open(directory["narrow"]);
        foreach (StoredTensor tensor in before.Tensors)
        {
            Assert.Equal(type, after[tensor.Entry.Name].Entry.Type);
            Assert.Equal(tensor.ReadSingles().Select(v => Rounded(v)), after[tensor.Entry.Name].ReadSingles());
        }

        // Subnormal half-precision numbers are multiples of 2^-24.
        float Rounded(float value)
        {
            int exponent = value == 0 ? 0 : Math.ILogB(value);
            int step = exponent - significantBits + 1;
            step = largestExponent == 15 ? Math.Max(step, -24) : step;
            return (float)Math.ScaleB(Math.Round(Math.ScaleB(value, -step), MidpointRounding.ToEven), step);
        }
    }

    [Fact]
    public void Convert_BeyondTheRangeOfF16_NamesTheTensorAndLeavesNothing()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory["source"]);
        CopyWith(TestData.Fixture("models/olmo2"), directory["source"], "model.layers.1.mlp.up_proj.weight", 77, 65520f);

        CheckpointException error = Assert.Throws<CheckpointException>(
            () => Convert(directory["source"], directory["half"], new ConversionOptions { Type = TensorType.F16 }));

        Assert.Equal(CheckpointError.ValueOutOfRange, error.Error);
        Assert.Contains("model.layers.1.mlp.up_proj.weight", error.Message, StringComparison.Ordinal);
        Assert.Contains("65520 at element 77", error.Message, StringComparison.Ordinal);
        Assert.Equal(["source"], directory.Names);
    }

    [Fact]
    public void Convert_LargestF16_IsKept()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory["source"]);
        CopyWith(TestData.Fixture("models/olmo2"), directory["source"], "model.norm.weight", 3, -65519f);

        Convert(directory["source"], directory["half"], new ConversionOptions { Type = TensorType.F16 });

        using WeightFiles files = WeightFiles.Open(directory["half"]);
        Assert.Equal(-65504f, files["model.norm.weight"].ReadSingles()[3]);
    }

    [Fact]
    public void Convert_NaN_IsRefused()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory["source"]);
        CopyWith(TestData.Fixture("models/olmo2"), directory["source"], "model.norm.weight", 3, float.NaN);

        CheckpointException error = Assert.Throws<CheckpointException>(() => Convert(directory["source"], directory["copy"]));

        Assert.Equal(CheckpointError.NonFiniteValue, error.Error);
        Assert.Equal(["source"], directory.Names);
    }

    [Theory]
    [InlineData("flexmore-chained", 2)]
    [InlineData("flexmore-chained", 1)]
    [InlineData("flexmore-mixed", 3)]
    [InlineData("flexmore-f16", 2)]
    public void Convert_MaxRank_EqualsCuttingAtLoad(string name, int rank)
    {
        string source = TestData.Fixture($"models/{name}");
        using TemporaryDirectory directory = new();

        WrittenModel written = Convert(source, directory["cut"], new ConversionOptions { MaxRank = rank });

        Assert.Equal(Logits(source, new LoadOptions { MaxRank = rank }), Logits(directory["cut"]));
        Assert.NotEqual(Logits(source), Logits(directory["cut"]));
        MixtureDescription stored = ModelConfigReader.Read(Path.Combine(source, "config.json")).Mixture!;
        Assert.Equal(stored.Experts.Select(e => Math.Min(e.Rank, rank)), written.Description.Mixture!.Experts.Select(e => e.Rank));
        Assert.Equal(stored.Experts.Select(e => e.Scale), written.Description.Mixture.Experts.Select(e => e.Scale));
    }

    [Fact]
    public void Convert_RankOfOneExpert_CutsThatOneAlone()
    {
        using TemporaryDirectory directory = new();

        ConversionOptions options = new() { Ranks = ImmutableDictionary<string, int>.Empty.Add("danish", 5) };
        WrittenModel written = Convert(TestData.Repository("models"), directory["cut"], options);

        Assert.Equal([0, 0, 0, 32, 5, 32], written.Description.Mixture!.Experts.Select(e => e.Rank));
        using WeightFiles before = WeightFiles.Open(TestData.Repository("models")), after = WeightFiles.Open(directory["cut"]);
        const string A = "model.layers.2.mlp.experts.4.down_proj_a.weight", B = "model.layers.2.mlp.experts.4.down_proj_b.weight";
        Assert.Equal(before[A].ReadSingles()[..(5 * 704)], after[A].ReadSingles());
        Assert.Equal(before[B].ReadSingles().Where((_, i) => i % 64 < 5), after[B].ReadSingles());
    }

    [Theory]
    [InlineData("danish", 65, "1 to 64")]
    [InlineData("danish", 0, "1 to 64")]
    [InlineData("code", 3, "it is a full expert")]
    [InlineData("nobody", 3, "public, code, math")]
    public void Convert_ImpossibleRank_IsAnError(string expert, int rank, string message)
    {
        using TemporaryDirectory directory = new();
        ConversionOptions options = new() { Ranks = ImmutableDictionary<string, int>.Empty.Add(expert, rank) };

        ArgumentException error = Assert.Throws<ArgumentException>(() => Convert(TestData.Repository("models"), directory["cut"], options));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Empty(directory.Names);
    }

    /// <summary>Experts to leave out, with layouts and bases of all kinds.</summary>
    public static TheoryData<string, string> Removals => new()
    {
        { "flexolmo-subsets", "0" },
        { "flexolmo-subsets", "1,4" },
        { "flexolmo-subsets", "0,2,3,5" },
        { "flexolmo-headdim-fused/fused", "0,2" },
        { "flexmore-mixed", "5" },
        { "flexmore-mixed", "1,2,3,4,5" },
        { "flexmore-chained", "3,4" },
        { "flexmore-chained", "0,1,2,5" },
        { "flexmore-chained", "5,2" },
        { "mixtral", "1" },
        { "olmoe", "2" },
    };

    [Theory]
    [MemberData(nameof(Removals))]
    public void Convert_WithoutExperts_EqualsExcludingThem(string name, string excluded)
    {
        string source = TestData.Fixture($"models/{name}");
        using TemporaryDirectory directory = new();
        ExpertSelection selection = new() { Excluded = excluded.Split(',').ToFrozenSet() };

        WrittenModel written = Convert(source, directory["without"], new ConversionOptions { Experts = selection });

        using ModelWeights whole = ModelLoader.Load(source);
        Assert.Equal(whole.Description.Mixture!.Count - excluded.Split(',').Length, written.Description.Mixture!.Count);
        Assert.Equal(OneSequence.Logits(whole, Tokens, selection), Logits(directory["without"]));
    }

    [Fact]
    public void Convert_WithoutABase_IsAnError()
    {
        const string Message = "Expert '1' cannot be left out: '2', kept, need it as their base";
        AssertRefused<ArgumentException>(
            "flexmore-chained", new ConversionOptions { Experts = new ExpertSelection { Excluded = Set("1", "5") } }, Message);
        AssertRefused<ArgumentException>(
            "flexmore-chained", new ConversionOptions { Experts = new ExpertSelection { Allowed = Set("0", "2") } }, Message);
    }

    [Fact]
    public void Convert_Config_KeepsWhatItDoesNotChange()
    {
        string source = TestData.Repository("models");
        using TemporaryDirectory directory = new();
        ExpertSelection selection = new() { Allowed = Set("danish", "public", "medical") };

        ConversionOptions options = new() { Experts = selection, MaxRank = 48, Type = TensorType.F32 };
        WrittenModel written = Convert(source, directory["part"], options);

        JsonObject expected = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        expected["num_experts"] = 3;
        expected["expert_names"] = new JsonArray("public", "danish", "medical");
        expected["expert_ranks"] = new JsonArray(0, 48, 32);
        expected["expert_alphas"] = new JsonArray(0.0, 48.0, 32.0);
        expected["expert_bases"] = new JsonArray(0, 0, 0);
        expected["torch_dtype"] = "float32";
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(File.ReadAllText(Path.Combine(directory["part"], "config.json")))));
        Assert.Equal(
            ["README.md", "chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"], written.OtherFiles);
        Assert.All(
            written.OtherFiles, file => Assert.Equal(TestData.Bytes(Path.Combine(source, file)), TestData.Bytes(directory[$"part/{file}"])));
    }

    [Fact]
    public void Convert_OtherWeightsAndSignatures_AreNotCopied()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory["source"]);
        CopyWith(TestData.Fixture("models/olmo2"), directory["source"], "model.norm.weight", 0, 1f);
        File.WriteAllText(Path.Combine(directory["source"], "pytorch_model.bin"), "x");
        File.WriteAllText(Path.Combine(directory["source"], "model.sig"), "x");
        File.WriteAllText(Path.Combine(directory["source"], "LICENSE"), "x");
        File.Copy(TestData.Fixture("models/olmo2/expected.safetensors"), Path.Combine(directory["source"], "expected.safetensors"));

        Convert(directory["source"], directory["copy"]);

        string names = string.Join(' ', Directory.GetFiles(directory["copy"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal("LICENSE config.json model.safetensors", names);
    }

    [Fact]
    public void Convert_Cancelled_LeavesNothing()
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource stop = new();
        Stopping progress = new(stop);

        Assert.Throws<OperationCanceledException>(
            () => ModelConverter.Convert(TestData.Repository("models"), directory["a/b/copy"], null, progress, stop.Token));

        Assert.True(progress.Reports >= 1);
        Assert.Empty(directory.Names);
    }

    [Fact]
    public void Convert_Progress_EndsWithAllBytes()
    {
        using TemporaryDirectory directory = new();
        Collecting progress = new();

        WrittenModel written = ModelConverter.Convert(
            TestData.Repository("models"), directory["copy"], null, progress, TestContext.Current.CancellationToken);

        Assert.Equal(26_432_000, written.TensorBytes);
        Assert.Equal(26_432_000, progress.All[^1].Done);
        Assert.All(progress.All, p => Assert.Equal(26_432_000, p.Total));
        Assert.Equal(progress.All.Select(p => p.Done).Order(), progress.All.Select(p => p.Done));
    }

    [Fact]
    public void Convert_OntoOrAroundTheSource_IsRefused()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory["m/inner"]);
        foreach (string file in Directory.GetFiles(TestData.Fixture("models/olmo2")))
        {
            File.Copy(file, Path.Combine(directory["m/inner"], Path.GetFileName(file)));
        }

        File.WriteAllText(directory["m/config.json"], "{}");
        ConversionOptions force = new() { Overwrite = true };

        Assert.Throws<ArgumentException>(() => Convert(directory["m/inner"], directory["m/inner"] + "/", force));
        Assert.Throws<ArgumentException>(() => Convert(directory["m/inner"], directory["m/../m"], force));
        Assert.True(File.Exists(directory["m/inner/model.safetensors"]));
    }

    private static FrozenSet<string> Set(params string[] names) => names.ToFrozenSet();

    private static WrittenModel Convert(string source, string destination, ConversionOptions? options = null) =>
        ModelConverter.Convert(source, destination, options, cancellationToken: TestContext.Current.CancellationToken);

    private static float[] Logits(string directory, LoadOptions? options = null)
    {
        using ModelWeights weights = ModelLoader.Load(directory, options);
        return OneSequence.Logits(weights, Tokens);
    }

    private static void AssertRefused<T>(string name, ConversionOptions options, string message)
        where T : Exception
    {
        using TemporaryDirectory directory = new();

        T error = Assert.Throws<T>(() => Convert(TestData.Fixture($"models/{name}"), directory["x"], options));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Empty(directory.Names);
    }

    private static void AssertSameTensors(string expected, string found)
    {
        using WeightFiles a = WeightFiles.Open(expected), b = WeightFiles.Open(found);
        Assert.Equal(a.Tensors.Select(t => t.Entry.Name).ToHashSet(), b.Tensors.Select(t => t.Entry.Name).ToHashSet());
        foreach (StoredTensor tensor in a.Tensors)
        {
            Assert.Equal(tensor.Entry.Shape, b[tensor.Entry.Name].Entry.Shape);
            Assert.Equal(tensor.ReadBytes(), b[tensor.Entry.Name].ReadBytes());
        }
    }

    // A copy of an F32 model with one value changed.
    private static void CopyWith(string source, string destination, string name, int element, float value)
    {
        File.Copy(Path.Combine(source, "config.json"), Path.Combine(destination, "config.json"));
        string copy = Path.Combine(destination, "model.safetensors");
        File.Copy(Path.Combine(source, "model.safetensors"), copy);
        File.SetAttributes(copy, FileAttributes.Normal);
        long position;
        using (SafetensorsFile file = SafetensorsFile.Open(copy))
        {
            position = file.DataStart + file[name].Entry.Begin + element * sizeof(float);
        }

        using FileStream stream = File.OpenWrite(copy);
        stream.Position = position;
        stream.Write(BitConverter.GetBytes(value));
    }

    private sealed class Collecting : IProgress<WorkProgress>
    {
        public List<WorkProgress> All { get; } = [];

        public void Report(WorkProgress value) => All.Add(value);
    }

    private sealed class Stopping(CancellationTokenSource stop) : IProgress<WorkProgress>
    {
        public int Reports { get; private set; }

        public void Report(WorkProgress value)
        {
            Reports++;
            stop.Cancel();
        }
    }
}
