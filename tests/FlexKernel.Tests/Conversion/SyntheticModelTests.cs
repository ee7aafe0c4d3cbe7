using System.Text;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Conversion;

public sealed class SyntheticModelTests
{
    [Fact]
    public void Write_AnyFilesAndThreads_GivesTheSameValues()
    {
        using TemporaryDirectory directory = new();
        Write(directory["one"], new SyntheticOptions { Sharding = Sharding.Files(1), Threads = 1 });
        Write(directory["many"], new SyntheticOptions { Sharding = Sharding.Files(9), Threads = 5 });
        Write(directory["f32"], new SyntheticOptions { Sharding = Sharding.MaxBytes(100_000), Type = TensorType.F32 });
        Write(directory["other"], new SyntheticOptions { Seed = 2 });

        using WeightFiles one = WeightFiles.Open(directory["one"]), many = WeightFiles.Open(directory["many"]);
        using WeightFiles wide = WeightFiles.Open(directory["f32"]), other = WeightFiles.Open(directory["other"]);
        Assert.Equal((1, 9), (one.Files.Count, many.Files.Count));
        foreach (StoredTensor tensor in one.Tensors)
        {
            string name = tensor.Entry.Name;
            Assert.Equal(tensor.ReadBytes(), many[name].ReadBytes());
            Assert.Equal(tensor.ReadSingles(), wide[name].ReadSingles().Select(v => BFloat16.ToSingle(BFloat16.FromSingle(v))));
            Assert.Equal(name.Contains("norm", StringComparison.Ordinal), tensor.ReadBytes().SequenceEqual(other[name].ReadBytes()));
        }
    }

    [Theory]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.F32)]
    public void Write_Model_LoadsAndStaysFinite(TensorType type)
    {
        using TemporaryDirectory directory = new();

        WrittenModel written = Write(directory["m"], new SyntheticOptions { Type = type });

        using ModelWeights weights = ModelLoader.Load(directory["m"]);
        Assert.Equal(written.Description, weights.Description);
        float[] logits = OneSequence.Logits(weights, [1, 2, 3, 400, 511]);
        Assert.All(logits, v => Assert.True(float.IsFinite(v)));
        Assert.True(logits.Distinct().Count() > logits.Length / 2);
    }

    [Fact]
    public void Write_Values_HaveTheStatedSpread()
    {
        using TemporaryDirectory directory = new();
        Write(directory["m"], new SyntheticOptions { Type = TensorType.F32 });
        using WeightFiles files = WeightFiles.Open(directory["m"]);

        float[] embedding = files["model.embed_tokens.weight"].ReadSingles(), head = files["lm_head.weight"].ReadSingles();

        // 32,768 values: the error of a mean is 0.02 / 181, that of a correlation 1 / 181; five of them never happen by chance.
        Assert.Equal(0, embedding.Average(), 5.5e-4);
        Assert.Equal(0.02, Math.Sqrt(embedding.Average(v => (double)v * v)), 5e-4);
        Assert.True(embedding.Max() < 0.0691f && embedding.Min() > -0.0691f);
        Assert.Equal(0, embedding.Zip(head, (a, b) => (double)a * b).Average() / 4e-4, 0.028);
        Assert.Equal(0, embedding.Zip(embedding.Skip(1), (a, b) => (double)a * b).Average() / 4e-4, 0.028);
        Assert.Equal(0, embedding.Zip(embedding.Skip(64), (a, b) => (double)a * b).Average() / 4e-4, 0.028);
        Assert.All(files["model.norm.weight"].ReadSingles(), v => Assert.Equal(1f, v));
    }

    [Fact]
    public void Noise_AnyPart_EqualsThatOfTheWhole()
    {
        ulong key = CounterNoise.Key(3, "a");
        const long Edge = (1L << 32) - 40;
        float[] whole = new float[100], part = new float[33];
        CounterNoise.Fill(key, Edge, 1, whole);
        for (int first = 0; first + part.Length <= whole.Length; first += 7)
        {
            CounterNoise.Fill(key, Edge + first, 1, part);
            Assert.Equal(whole[first..(first + part.Length)], part);
        }

        Assert.NotEqual(key, CounterNoise.Key(3, "b"));
        Assert.NotEqual(key, CounterNoise.Key(4, "a"));
        CounterNoise.Fill(key, 0, 1, part);
        Assert.NotEqual(part, whole[40..73]);
    }

    [Theory]
    [InlineData("flexolmo-2x7b", 11_627_401_216, 483)]
    [InlineData("flexolmo-7x7b", 33_270_665_216, 963)]
    [InlineData("flexmore-7x7b", 7_856_328_704, 1539)]
    [InlineData("flexmore-7x7b-selected", 7_624_331_264, 1539)]
    [InlineData("olmo2-7b", 7_298_617_344, 355)]
    [InlineData("10m", 12_232_960, 113)]
    public void Shapes_HaveTheCountsOfTheRealModels(string name, long parameters, int tensors)
    {
        ModelDescription description = ModelConfigReader.Read(ModelShapes.Config(name), name);

        Assert.Equal(parameters, ParameterCounts.Of(description).Total);
        Assert.Equal(tensors, new TensorLayout(description).Tensors.Count());
    }

    [Fact]
    public void Overrides_ChangeSizesAndWhatFollowsFromThem()
    {
        ShapeOverrides overrides = new() { Layers = 3, Hidden = 256, Intermediate = 99, Vocabulary = 1000, Ranks = [0, 4, 64, 0] };

        ModelDescription model = Apply(overrides, "flexolmo-7x7b");

        Assert.Equal("flex_more", model.ModelType);
        Assert.Equal((3, 256, 99, 1000, 2, 128), (
            model.LayerCount, model.HiddenSize, model.IntermediateSize, model.VocabularySize, model.HeadCount, model.HeadDimension));
        Assert.Equal([0, 4, 64, 0], model.Mixture!.Experts.Select(e => e.Rank));
        Assert.Equal(4, model.Mixture.ActiveExperts);
        Assert.Empty(model.EndOfSequenceIds);
    }

    [Theory]
    [InlineData("flexmore-7x7b", 3, null, "0,64,64", 3)]
    [InlineData("flexmore-7x7b", 9, 2, "0,64,64,64,64,64,64,64,64", 2)]
    [InlineData("tiny", 1, null, "0", 1)]
    [InlineData("474m-moe", 6, null, "0,0,0,0,0,0", 6)]
    public void Overrides_NumberOfExperts_RepeatsTheLast(string shape, int experts, int? active, string ranks, int expectedActive)
    {
        ModelDescription model = Apply(new ShapeOverrides { Experts = experts, ActiveExperts = active }, shape);

        Assert.Equal(ranks.Split(',').Select(int.Parse), model.Mixture!.Experts.Select(e => e.Rank));
        Assert.Equal(expectedActive, model.Mixture.ActiveExperts);
    }

    [Fact]
    public void Overrides_ExpertsOfADenseModel_AreAnError()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => Apply(new ShapeOverrides { Experts = 2 }, "olmo2-7b"));

        Assert.Contains("olmo2", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Apply(new ShapeOverrides { Experts = 2, Ranks = [0, 1, 2] }, "tiny"));
        Assert.Throws<ModelConfigException>(() => Apply(new ShapeOverrides { Ranks = [1, 2] }, "tiny"));
    }

    [Fact]
    public void Overrides_OfAConfiguration_DropListsOfOtherExperts()
    {
        string file = TestData.Repository("models/config.json");

        ModelDescription model = ModelConfigReader.Read(new ShapeOverrides { Ranks = [0, 5] }.Apply(TestData.Bytes(file), file), file);

        Assert.Equal(["0", "1"], model.Mixture!.Experts.Select(e => e.Name));
        Assert.Equal(1f, model.Mixture.Experts[1].Scale);
    }

    [Fact]
    public void Write_TokenizerLargerThanTheVocabulary_IsAnError()
    {
        using TemporaryDirectory directory = new();

        ArgumentException error = Assert.Throws<ArgumentException>(
            () => Write(directory["m"], new SyntheticOptions { TokenizerDirectory = TestData.Repository("models") }));

        Assert.Contains("8192 tokens, the model 512", error.Message, StringComparison.Ordinal);
        Assert.Empty(directory.Names);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"a\": 1, \"a\": 2}")]
    [InlineData("{\"\\ud800\": 1}")]
    [InlineData("{")]
    public void Editor_MalformedConfiguration_IsATypedError(string json)
    {
        ModelConfigException error = Assert.Throws<ModelConfigException>(() =>
        {
            ConfigEditor editor = new(Encoding.UTF8.GetBytes(json), "c.json");
            editor.Set("b", 1);
            editor.ToUtf8();
        });

        Assert.StartsWith("c.json: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Editor_UnknownMembers_StayAsTheyAre()
    {
        ConfigEditor editor = new(Encoding.UTF8.GetBytes("\uFEFF{\"x\": {\"y\": [1.50, null, \"é\"]}, \"n\": 1}"), "c.json");
        editor.Set("n", 2);

        JsonElement changed = JsonElement.Parse(editor.ToUtf8());

        Assert.Equal("[1.50,null,\"é\"]", changed.GetProperty("x").GetProperty("y").GetRawText().Replace(" ", "").Replace("\n", ""));
        Assert.Equal(2, changed.GetProperty("n").GetInt32());
    }

    private static WrittenModel Write(string destination, SyntheticOptions options) => SyntheticModel.Write(
        destination, ModelShapes.Config("tiny"), options, cancellationToken: TestContext.Current.CancellationToken);

    private static ModelDescription Apply(ShapeOverrides overrides, string shape) =>
        ModelConfigReader.Read(overrides.Apply(ModelShapes.Config(shape), shape), shape);
}
