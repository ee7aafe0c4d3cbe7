using System.Collections.Frozen;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Packing;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Packing;

public sealed class PackedModelTests
{
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8, 120, 77, 41, 12];

    public static TheoryData<string, WeightFormat?> Models
    {
        get
        {
            TheoryData<string, WeightFormat?> data = [];
            foreach (string name in (string[])["olmo2", "flexmore-bf16", "flexmore-chained", "flexmore-f16", "flexmore-mixed", "flexolmo-headdim-fused", "llama-bias", "mixtral"])
            {
                foreach (WeightFormat? format in (WeightFormat?[])[null, WeightFormat.F32, WeightFormat.BF16, WeightFormat.Q8, WeightFormat.Q4, WeightFormat.Q4C])
                {
                    data.Add(name, format);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Write_AnyModelAndFormat_LoadsToTheBitsOfPackingAtLoad(string name, WeightFormat? format)
    {
        string source = TestData.Fixture($"models/{name}");
        using TemporaryDirectory directory = new();
        WrittenModel written = PackedModel.Write(source, directory["packed"], new PackingOptions { Weights = format, Sharding = Sharding.Files(3) });

        Assert.Equal(3, written.FileCount);
        using ModelWeights atLoad = ModelLoader.Load(source, new LoadOptions { Weights = format });
        using ModelWeights packed = ModelLoader.Load(directory["packed"]);
        Assert.Equal(atLoad.ByteCount, packed.ByteCount);
        Assert.Equal(atLoad.Description, packed.Description);
        Assert.Equal(OneSequence.Logits(atLoad, Tokens), OneSequence.Logits(packed, Tokens));
    }

    [Fact]
    public void Write_FormatsByClass_EqualThoseAtLoad()
    {
        string source = TestData.Fixture("models/flexmore-chained");
        WeightFormats formats = new()
        {
            Embedding = WeightFormat.BF16,
            Head = WeightFormat.Q8,
            Attention = WeightFormat.F32,
            FeedForward = WeightFormat.Q4,
            LowRank = WeightFormat.F32,
        };
        using TemporaryDirectory directory = new();
        PackedModel.Write(source, directory["packed"], new PackingOptions { Weights = WeightFormat.Q8, Formats = formats });

        using ModelWeights atLoad = ModelLoader.Load(source, new LoadOptions { Weights = WeightFormat.Q8, Formats = formats });
        using ModelWeights packed = ModelLoader.Load(directory["packed"]);
        Assert.Equal(OneSequence.Logits(atLoad, Tokens), OneSequence.Logits(packed, Tokens));
        Assert.Equal(
            (WeightFormat.BF16, WeightFormat.Q8, WeightFormat.F32, WeightFormat.Q4, WeightFormat.F32),
            (packed.Embedding.Format, packed.Head.Format, packed.Layers[0].Query.Format, packed.Layers[0].FeedForward.Roots[0].Gate.Format, packed.Layers[0].Router!.Format));
    }

    [Fact]
    public void Write_AnyThreads_GivesTheSameFiles()
    {
        string source = TestData.Fixture("models/flexmore-mixed");
        using TemporaryDirectory directory = new();
        PackedModel.Write(source, directory["one"], new PackingOptions { Threads = 1 });
        PackedModel.Write(source, directory["three"], new PackingOptions { Threads = 3 });

        Assert.Equal(
            TestData.Bytes(Path.Combine(directory["one"], "model.safetensors")), TestData.Bytes(Path.Combine(directory["three"], "model.safetensors")));
    }

    [Fact]
    public void Write_EveryPackedTensor_LiesAtAMultipleOf64Bytes()
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/flexmore-mixed"), directory["packed"]);

        using WeightFiles files = WeightFiles.Open(directory["packed"]);
        SafetensorsFile file = Assert.Single(files.Files);
        TensorEntry[] packed = [.. file.Header.Tensors.Where(t => t.Type == TensorType.U8)];
        Assert.NotEmpty(packed);
        Assert.All(packed, t => Assert.Equal((0, 0), ((file.DataStart + t.Begin) % 64, t.ByteCount % 64)));
        Assert.DoesNotContain(packed, t => t.Name.EndsWith("mlp.gate.weight", StringComparison.Ordinal) || t.Shape.Length == 1);
    }

    [Fact]
    public void Load_ExcludedExpert_IsNeverReadAndGivesTheBitsOfTheSource()
    {
        string source = TestData.Fixture("models/flexmore-mixed");
        using TemporaryDirectory directory = new();
        PackedModel.Write(source, directory["packed"]);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory["packed"], "config.json"));
        ExpertDescription excluded = description.Mixture!.Experts.Last(e => description.Mixture.Experts.All(o => o.Index == e.Index || o.Base != e.Index));
        LoadOptions options = new() { Experts = new ExpertSelection { Excluded = new[] { excluded.Name }.ToFrozenSet() } };
        List<(TensorEntry Tensor, TensorPart Part)> read = [];

        using WeightFiles files = WeightFiles.Open(directory["packed"]);
        foreach (SafetensorsFile file in files.Files)
        {
            file.ReadTrace = (tensor, part) => read.Add((tensor, part));
        }

        using ModelWeights packed = ModelLoader.Load(files, description, directory["packed"], options, null, TestContext.Current.CancellationToken);
        using ModelWeights atLoad = ModelLoader.Load(source, options with { Weights = WeightFormat.Q4C });

        Assert.DoesNotContain(read, r => r.Tensor.Name.Contains($".experts.{excluded.Index}.", StringComparison.Ordinal));
        Assert.NotEmpty(read);
        foreach ((TensorEntry tensor, TensorPart part) in read.Where(r => r.Tensor.Name.EndsWith("mlp.gate.weight", StringComparison.Ordinal)))
        {
            long row = tensor.ByteCount / tensor.Shape[0];
            Assert.True(part.End <= excluded.Index * row || part.Begin >= (excluded.Index + 1) * row, $"{tensor.Name}: the router row of an excluded expert was read");
        }

        Assert.Equal(OneSequence.Logits(atLoad, Tokens), OneSequence.Logits(packed, Tokens));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Load_CutRanks_EqualsCuttingTheSource(int rank)
    {
        string source = TestData.Fixture("models/flexmore-mixed");
        using TemporaryDirectory directory = new();
        PackedModel.Write(source, directory["packed"], new PackingOptions { Weights = WeightFormat.Q8 });

        using ModelWeights cut = ModelLoader.Load(directory["packed"], new LoadOptions { MaxRank = rank });
        using ModelWeights expected = ModelLoader.Load(source, new LoadOptions { MaxRank = rank, Weights = WeightFormat.Q8 });
        Assert.Equal(expected.ByteCount, cut.ByteCount);
        Assert.Equal(OneSequence.Logits(expected, Tokens), OneSequence.Logits(cut, Tokens));
    }

    [Fact]
    public void Load_Densified_EqualsDensifyingTheSource()
    {
        string source = TestData.Fixture("models/flexmore-chained");
        using TemporaryDirectory directory = new();
        PackedModel.Write(source, directory["packed"], new PackingOptions { Weights = WeightFormat.Q8 });
        LoadOptions options = new() { Densification = Densification.Always };

        using ModelWeights packed = ModelLoader.Load(directory["packed"], options);
        using ModelWeights expected = ModelLoader.Load(source, options with { Weights = WeightFormat.Q8 });
        Assert.Equal(OneSequence.Logits(expected, Tokens), OneSequence.Logits(packed, Tokens));
    }

    [Fact]
    public void Load_AnotherFormat_NamesTensorAndBoth()
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/olmo2"), directory["packed"]);

        ArgumentException e = Assert.Throws<ArgumentException>(() => ModelLoader.Load(directory["packed"], new LoadOptions { Weights = WeightFormat.BF16 }));
        Assert.Contains("Q4C", e.Message, StringComparison.Ordinal);
        Assert.Contains("BF16", e.Message, StringComparison.Ordinal);
        Assert.Contains("lm_head.weight", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LowRankFormat_Quantised_IsRefused() =>
        Assert.Throws<ArgumentException>(() => new WeightFormats { LowRank = WeightFormat.Q8 });

    [Fact]
    public void WriteAndConvert_PackedSource_AreRefused()
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/olmo2"), directory["packed"]);

        Assert.Throws<ArgumentException>(() => PackedModel.Write(directory["packed"], directory["again"]));
        Assert.Throws<ArgumentException>(() => ModelConverter.Convert(directory["packed"], directory["again"]));
        Assert.False(Directory.Exists(directory["again"]));
    }

    [Theory]
    [InlineData("layout_version", "1", CheckpointError.PackedLayoutUnknown, "\"1\"")]
    [InlineData("lm_head.weight", "Q4 130 48 Head 1", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    [InlineData("lm_head.weight", "Q5 130 48 Head 1", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    [InlineData("lm_head.weight", "4 130 48 Head 1", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    [InlineData("lm_head.weight", "Q8 0 48 Head 1", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    [InlineData("lm_head.weight", "Q8 2147483647 48 Head 1", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    [InlineData("lm_head.weight", "Q8 130", CheckpointError.PackedTensorInvalid, "lm_head.weight")]
    public void Load_ChangedDescription_NamesFileAndTensor(string key, string value, CheckpointError error, string named)
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/olmo2"), directory["packed"], new PackingOptions { Weights = WeightFormat.Q8 });
        Rewrite(directory["packed"], directory["changed"], metadata => metadata[key] = value, (_, bytes) => bytes);

        CheckpointException e = Assert.Throws<CheckpointException>(() => ModelLoader.Load(directory["changed"]));
        Assert.Equal(error, e.Error);
        Assert.Contains("model.safetensors", e.Message, StringComparison.Ordinal);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ScaleOfAnotherExpert_IsRefused()
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/flexmore-chained"), directory["packed"]);
        string name = "";
        Rewrite(
            directory["packed"],
            directory["changed"],
            metadata =>
            {
                name = metadata.Keys.First(k => k.EndsWith("_b.weight", StringComparison.Ordinal));
                metadata[name] = $"{metadata[name][..metadata[name].LastIndexOf(' ')]} 0.125";
            },
            (_, bytes) => bytes);

        CheckpointException e = Assert.Throws<CheckpointException>(() => ModelLoader.Load(directory["changed"]));
        Assert.Equal((CheckpointError.PackedTensorInvalid, name), (e.Error, e.Tensor));
    }

    [Theory]
    [InlineData(WeightFormat.Q4C)]
    [InlineData(WeightFormat.BF16)]
    [InlineData(WeightFormat.F32)]
    public void Load_NotFinitePanel_IsRefusedUnlessAllowed(WeightFormat format)
    {
        using TemporaryDirectory directory = new();
        PackedModel.Write(TestData.Fixture("models/olmo2"), directory["packed"], new PackingOptions { Weights = format });
        Rewrite(
            directory["packed"],
            directory["changed"],
            _ => { },
            (name, bytes) =>
            {
                if (name == "model.embed_tokens.weight")
                {
                    // The upper half of the first word: a weight, or the scale of a second block.
                    (bytes[2], bytes[3]) = (0x80, 0x7F);
                }

                return bytes;
            });

        CheckpointException e = Assert.Throws<CheckpointException>(() => ModelLoader.Load(directory["changed"]));
        Assert.Equal((CheckpointError.NonFiniteValue, "model.embed_tokens.weight"), (e.Error, e.Tensor));
        ModelLoader.Load(directory["changed"], new LoadOptions { RejectNonFinite = false }).Dispose();
    }

    [Fact]
    public void Inspect_Packed_CountsBytesByFormat()
    {
        using TemporaryDirectory directory = new();
        string source = TestData.Fixture("models/flexmore-mixed");
        PackedModel.Write(source, directory["packed"]);

        using WeightFiles packed = WeightFiles.Open(directory["packed"]), plain = WeightFiles.Open(source);
        ModelInspection inspected = ModelInspection.Read(directory["packed"], TensorShape.Of(packed));
        ModelInspection original = ModelInspection.Read(source, TensorShape.Of(plain));
        Assert.Equal(original.Parameters.Total, inspected.Parameters.Total);
        Assert.Equal(packed.TensorBytes, inspected.StoredBytes);
        Assert.Equal(["F32", "Q4C"], inspected.StoredBytesByType.Keys);
    }

    private static void Rewrite(string source, string destination, Action<Dictionary<string, string>> change, Func<string, byte[], byte[]> bytes)
    {
        Directory.CreateDirectory(destination);
        File.Copy(Path.Combine(source, "config.json"), Path.Combine(destination, "config.json"));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(source, "model.safetensors"));
        Dictionary<string, string> metadata = new(file.Header.Metadata);
        change(metadata);
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            Path.Combine(destination, "model.safetensors"), file.Header.Tensors.Select(t => new TensorSpec(t.Name, t.Type, t.Shape)), metadata, 64);
        foreach (TensorEntry tensor in file.Header.Tensors)
        {
            writer.Append(tensor.Name, bytes(tensor.Name, file[tensor.Name].ReadBytes()));
        }

        writer.Complete();
    }
}
