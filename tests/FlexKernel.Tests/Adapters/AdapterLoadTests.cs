using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Packing;
using Xunit;

namespace FlexKernel.Tests.Adapters;

/// <summary>Loads that merge an adapter have the bits of a conversion that merged it.</summary>
public sealed class AdapterLoadTests : IDisposable
{
    private const string EveryMatrix = @".*(proj.*|\.w[123]|\.gate|lm_head)";
    private const string Fused = "models/flexolmo-headdim-fused/fused";
    private readonly TemporaryDirectory _directory = new();

    private static string Dense => TestData.Fixture("training/peft");

    private static string Mixture => TestData.Fixture("training/gradients/flex_more");

    private string Adapter => _directory["adapter"];

    public static MatrixTheoryData<string, WeightFormat?> PeftAdapters => new(
        ["qv_r4", "all_rslora_r6", "patterns"], [null, WeightFormat.BF16, WeightFormat.Q8, WeightFormat.Q4C]);

    /// <summary>Model, modules saved whole by commas, and whether the scale is α/√r: every kind of tensor, in every stored type.</summary>
    public static TheoryData<string, string, bool> Models => new()
    {
        { "training/gradients/flex_more", "norm", false },
        { "models/flexmore-bf16", "embed_tokens,0.down_proj", true },
        { "models/flexmore-f16", "lm_head,mlp.gate", false },
        { "models/flexmore-chained", "", true },
        { Fused, "1.down_proj,2.gate_proj", false },
        { "models/llama-bias", "k_proj,embed_tokens", false },
        { "models/mixtral", "", true },
    };

    [Theory]
    [MemberData(nameof(PeftAdapters))]
    public void Load_PeftAdapter_HasTheBitsOfTheConvertedModel(string name, WeightFormat? format)
    {
        string adapter = TestData.Fixture($"training/peft/{name}");
        ModelConverter.Convert(Dense, _directory["merged"], new ConversionOptions { Adapter = adapter });

        AssertSameBits(Dense, new LoadOptions { Weights = format, Adapter = adapter }, new LoadOptions { Weights = format });
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Load_EveryMatrix_HasTheBitsOfTheConvertedModel(string fixture, string saved, bool isRankStabilised)
    {
        string source = TestData.Fixture(fixture);
        RandomAdapter.Save(
            source,
            Adapter,
            EveryMatrix,
            [.. saved.Split(',', StringSplitOptions.RemoveEmptyEntries)],
            config => config with { UsesRankStabilisedScale = isRankStabilised, AlphaPatterns = [KeyValuePair.Create("q_proj", 7.0)] });
        ModelConverter.Convert(source, _directory["merged"], new ConversionOptions { Adapter = Adapter });

        foreach (LoadOptions options in (LoadOptions[])
            [new(), new() { Threads = 3 }, new() { Weights = WeightFormat.Q8 }, new() { Formats = new WeightFormats { Attention = WeightFormat.Q4 } }])
        {
            AssertSameBits(source, options with { Adapter = Adapter }, options);
        }
    }

    [Fact]
    public void Load_WithoutExpertsWithCutRanksOrWrittenOut_HasTheBitsOfTheConvertedModel()
    {
        RandomAdapter.Save(Mixture, Adapter, EveryMatrix, saved: ["4.up_proj"]);
        ModelConverter.Convert(Mixture, _directory["merged"], new ConversionOptions { Adapter = Adapter });
        LoadOptions part = new() { Experts = new ExpertSelection { Excluded = FrozenSet.Create("3", "4") }, MaxRank = 2 };

        AssertSameBits(Mixture, part with { Adapter = Adapter }, part);
        AssertSameBits(
            Mixture,
            new LoadOptions { Adapter = Adapter, Densification = Densification.Always },
            new LoadOptions { Densification = Densification.Always });
    }

    /// <summary>Tensors of real models come in many chunks, which threads divide.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(7, 5)]
    [InlineData(1000, 3)]
    public void StreamingMerge_AnyChunksAndThreads_GivesTheBytesThatConvertStores(int rows, int threads)
    {
        string source = TestData.Fixture(Fused);
        RandomAdapter.Save(source, Adapter, @".*\.(v_proj|gate|gate_proj|down_proj)", saved: ["1.up_proj", "k_proj"]);
        ModelConverter.Convert(source, _directory["merged"], new ConversionOptions { Adapter = Adapter });
        ModelDescription model = ModelConfigReader.Read(Path.Combine(source, "config.json"));
        using WeightFiles files = WeightFiles.Open(source), merged = WeightFiles.Open(_directory["merged"]);
        using AdapterMerge adapter = new(Adapter, model);
        using WorkerTeam team = new(threads);
        TensorMap map = new TensorLayout(model).Resolve(TensorShape.Of(files), source);
        StreamingMerge merge = new(ConversionPlan.Merged(files, map, model, adapter, rejectOverflow: true), team);
        Dictionary<string, Collector> read = [];
        List<string> unchanged = [];

        files.Load(Choose, new CheckpointReadOptions());

        Assert.Equal(merged.TensorCount, read.Count);
        Assert.All(merged.Tensors, tensor => Assert.Equal(tensor.ReadBytes(), read[tensor.Entry.Name].Bytes));
        Assert.All(unchanged, name => Assert.Equal(files[name].ReadBytes(), read[name].Bytes));
        Assert.DoesNotContain(unchanged, name => name.Contains("experts", StringComparison.Ordinal) || name.Contains("k_proj", StringComparison.Ordinal));
        Assert.Contains("model.norm.weight", unchanged);

        ITensorSink Choose(TensorEntry entry)
        {
            Collector collector = read[entry.Name] = new Collector(entry, rows);
            ITensorSink sink = merge.Before(entry, collector);
            if (sink == collector)
            {
                unchanged.Add(entry.Name);
            }

            return sink;
        }
    }

    [Fact]
    public void Load_ExpertLeftOut_NeverReadsItsUpdates()
    {
        RandomAdapter.Save(Mixture, Adapter, EveryMatrix, saved: []);
        ModelConverter.Convert(Mixture, _directory["merged"], new ConversionOptions { Adapter = Adapter });
        string[] poisoned = Poison(".experts.3.");
        LoadOptions without = new() { Experts = new ExpertSelection { Excluded = FrozenSet.Create("3") } };

        AssertSameBits(Mixture, without with { Adapter = Adapter }, without);
        CheckpointException error = Assert.Throws<CheckpointException>(() => Load(Mixture, new LoadOptions { Adapter = Adapter }));

        Assert.Equal((CheckpointError.NonFiniteValue, Path.Combine(Adapter, "adapter_model.safetensors")), (error.Error, error.File));
        Assert.Contains(error.Tensor, poisoned);
    }

    [Fact]
    public void Load_AdapterOfAnotherModel_NamesEveryTensorWithBothShapes()
    {
        string adapter = TestData.Fixture("training/peft/qv_r4"), file = Path.Combine(adapter, "adapter_model.safetensors");
        string q = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";

        TensorLayoutException error = Assert.Throws<TensorLayoutException>(
            () => Load(TestData.Fixture("models/olmo2"), new LoadOptions { Adapter = adapter }));

        Assert.Equal(file, error.File);
        Assert.Contains($"{q}: expected [4, 48], found [4, 32]", error.Message, StringComparison.Ordinal);
        Assert.Contains("missing: base_model.model.model.layers.2.self_attn.v_proj.lora_B.weight", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TensorsOfNoMatrix_AreListedInOneError()
    {
        RandomAdapter.Save(Mixture, Adapter, @".*\.(q|v)_proj", saved: []);
        string config = Path.Combine(Adapter, AdapterConfig.FileName);
        File.WriteAllText(config, File.ReadAllText(config).Replace("(q|v)_proj", "q_proj", StringComparison.Ordinal));

        TensorLayoutException error = Assert.Throws<TensorLayoutException>(() => Load(Mixture, new LoadOptions { Adapter = Adapter }));

        Assert.Equal([(TensorDefectKind.Unexpected, 4)], error.Counts.Select(pair => (pair.Key, pair.Value)));
        Assert.All(
            (string[])["0.self_attn.v_proj.lora_A", "0.self_attn.v_proj.lora_B", "1.self_attn.v_proj.lora_A", "1.self_attn.v_proj.lora_B"],
            name => Assert.Contains($"base_model.model.model.layers.{name}.weight", error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Load_NoAdapterThere_NamesTheFile()
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() => Load(Mixture, new LoadOptions { Adapter = _directory["none"] }));

        Assert.Equal(_directory["none/adapter_config.json"], error.File);
    }

    [Fact]
    public void Load_PackedWeights_AreRefusedWithBothNames()
    {
        RandomAdapter.Save(Mixture, Adapter, EveryMatrix, saved: []);
        PackedModel.Write(Mixture, _directory["packed"]);

        ArgumentException error = Assert.Throws<ArgumentException>(() => Load(_directory["packed"], new LoadOptions { Adapter = Adapter }));

        Assert.Contains($"{_directory["packed"]} holds packed weights", error.Message, StringComparison.Ordinal);
        Assert.Contains(Adapter, error.Message, StringComparison.Ordinal);
    }

    /// <summary>The error of the first row is told, whichever thread finds one first.</summary>
    [Fact]
    public void Load_MergedValueBeyondTheStoredType_NamesTensorAndElement()
    {
        string source = TestData.Fixture("models/flexmore-f16"), name = "model.layers.0.self_attn.q_proj.weight";
        RandomAdapter.Save(source, Adapter, @".*layers\.0.*q_proj", saved: [], config => config with { Alpha = 1e9 });
        CheckpointException converted = Assert.Throws<CheckpointException>(
            () => ModelConverter.Convert(source, _directory["merged"], new ConversionOptions { Adapter = Adapter, Threads = 1 }));

        foreach (int threads in (int[])[1, 3, 32])
        {
            CheckpointException loaded = Assert.Throws<CheckpointException>(() => Load(source, new LoadOptions { Adapter = Adapter, Threads = threads }));
            Assert.Equal((CheckpointError.ValueOutOfRange, name, converted.Message), (loaded.Error, loaded.Tensor, loaded.Message));
        }

        using ModelWeights infinite = ModelLoader.Load(source, new LoadOptions { Adapter = Adapter, RejectNonFinite = false });
        Assert.Contains(MemoryMarshal.Cast<byte, float>(infinite.Layers[0].Query.Panels(0, 1)).ToArray(), float.IsInfinity);
    }

    [Fact]
    public void Load_WithACache_NeitherUsesNorMakesAnEntry()
    {
        RandomAdapter.Save(Mixture, Adapter, EveryMatrix, saved: []);
        ModelConverter.Convert(Mixture, _directory["merged"], new ConversionOptions { Adapter = Adapter });
        PackedWeightCache cache = new(_directory["cache"]);
        LoadOptions plain = new() { Weights = WeightFormat.Q8 }, cached = plain with { Cache = cache };

        AssertSameBits(Mixture, cached with { Adapter = Adapter }, plain);
        Assert.Empty(cache.Entries());

        Load(Mixture, cached);
        PackedCacheEntry entry = Assert.Single(cache.Entries());
        AssertSameBits(Mixture, cached with { Adapter = Adapter }, plain);
        Assert.Equal(entry.Directory, Assert.Single(cache.Entries()).Directory);
    }

    [Fact]
    public void Load_Digests_NameTheAdaptersTensorsToo()
    {
        RandomAdapter.Save(Mixture, Adapter, EveryMatrix, saved: []);
        string file = Path.Combine(Adapter, "adapter_model.safetensors");

        using ModelWeights weights = ModelLoader.Load(Mixture, new LoadOptions { Adapter = Adapter });
        using ModelWeights silent = ModelLoader.Load(Mixture, new LoadOptions { Adapter = Adapter, ComputeSha256 = false });

        Assert.Equal(["model.safetensors", file], weights.FileSha256.Keys.OrderBy(key => key.Length));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(TestData.Bytes(file))), weights.FileSha256[file]);
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(TestData.Bytes(Path.Combine(Mixture, "model.safetensors")))), weights.FileSha256["model.safetensors"]);
        Assert.Empty(silent.FileSha256);
    }

    public void Dispose() => _directory.Dispose();

    private static void Load(string directory, LoadOptions options) => ModelLoader.Load(directory, options).Dispose();

    private void AssertSameBits(string source, LoadOptions merging, LoadOptions converted)
    {
        using ModelWeights expected = ModelLoader.Load(_directory["merged"], converted), actual = ModelLoader.Load(source, merging);
        using ModelWeights before = ModelLoader.Load(source, converted);

        ImmutableArray<byte[]> bits = Bits(expected);
        Assert.Equal(bits, Bits(actual));
        Assert.NotEqual(bits, Bits(before));
        Assert.Equal(expected.ByteCount, actual.ByteCount);
    }

    private static ImmutableArray<byte[]> Bits(ModelWeights weights)
    {
        List<PackedMatrix?> matrices = [weights.Embedding, weights.Head];
        List<Activations?> vectors = [weights.FinalNorm];
        foreach (LayerWeights layer in weights.Layers)
        {
            matrices.AddRange([layer.Query, layer.Key, layer.Value, layer.Output, layer.Router]);
            vectors.AddRange([layer.AttentionNorm, layer.FeedForwardNorm, layer.QueryNorm, layer.KeyNorm]);
            vectors.AddRange([layer.QueryBias, layer.KeyBias, layer.ValueBias, layer.OutputBias]);
            foreach (FullWeights root in layer.FeedForward.Roots)
            {
                matrices.AddRange([root.Gate, root.Up, root.Down]);
                vectors.AddRange([root.GateBias, root.UpBias, root.DownBias]);
            }

            foreach (LowRankWeights c in layer.FeedForward.Experts.SelectMany(expert => expert.Corrections))
            {
                matrices.AddRange([c.GateA, c.GateB, c.UpA, c.UpB, c.DownA, c.DownB]);
            }
        }

        return
        [
            .. matrices.OfType<PackedMatrix>().Select(matrix => matrix.Panels(0, matrix.PanelCount).ToArray()),
            .. vectors.OfType<Activations>().Select(vector => MemoryMarshal.AsBytes(vector.Row(0)).ToArray()),
        ];
    }

    // Overwrites the adapter's tensors whose names hold a text with NaN, and gives their names.
    private string[] Poison(string part)
    {
        string path = Path.Combine(Adapter, "adapter_model.safetensors");
        (string Name, long Position, long Count)[] tensors;
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            tensors = [.. file.Header.Tensors.Where(entry => entry.Name.Contains(part, StringComparison.Ordinal))
                .Select(entry => (entry.Name, file.DataStart + entry.Begin, entry.ByteCount))];
        }

        using FileStream stream = File.OpenWrite(path);
        foreach ((_, long position, long count) in tensors)
        {
            stream.Position = position;
            stream.Write([.. Enumerable.Repeat((byte)0xFF, (int)count)]);
        }

        return [.. tensors.Select(tensor => tensor.Name)];
    }

    private sealed class Collector(TensorEntry entry, int rows) : ITensorSink
    {
        public byte[] Bytes { get; } = new byte[entry.ByteCount];

        public int ChunkBytes => rows * (int)entry.Shape[^1] * (entry.Type.BitSize() / 8);

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk) => chunk.CopyTo(Bytes.AsSpan((int)byteOffset));
    }
}
