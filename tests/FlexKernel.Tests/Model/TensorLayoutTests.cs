using System.Text.Json;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class TensorLayoutTests
{
    public static TheoryData<string> Checkpoints => [.. ModelFixtures.Cases, "flexmore-mixed/dense", "flexolmo-headdim-fused/fused"];

    public static TheoryData<string> StatedCases => [.. ModelFixtures.Cases.Where(name => name != "tiny-mixture")];

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Resolve_GoldenCheckpoint_AcceptsEveryTensor(string name)
    {
        string folder = name == "tiny-mixture" ? TestData.Repository("models") : TestData.Fixture($"models/{name}");
        List<TensorShape> headers = SafetensorsHeader.ReadFolder(folder);
        TensorLayout layout = new(ModelFixtures.Read(name));

        TensorMap map = layout.Resolve(headers, name);

        Assert.Equal(headers.Select(h => h.Name).Order(), map.Slots.Keys.Order());
        Assert.Equal(headers.Count, map.Slots.Values.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(StatedCases))]
    public void ElementCount_GoldenCase_EqualsItsStatedParameterCount(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(TestData.Fixture($"models/{name}/case.json")));
        long expected = document.RootElement.GetProperty("storage").GetProperty("parameters").GetInt64();

        Assert.Equal(expected, new TensorLayout(ModelFixtures.Read(name)).Tensors.Sum(t => t.ElementCount));
    }

    [Theory]
    [InlineData(new[] { 0, 0 }, 483)]
    [InlineData(new[] { 0, 0, 0, 0, 0, 0, 0 }, 963)]
    [InlineData(new[] { 0, 64 }, 579)]
    [InlineData(new[] { 0, 64, 64, 64, 64, 64, 64 }, 1539)]
    public void Tensors_ReleasedModels_HaveTheKnownCount(int[] ranks, int expected) =>
        Assert.Equal(expected, new TensorLayout(ModelFixtures.SevenBillion(ranks)).Tensors.Count());

    [Theory]
    [InlineData("model.embed_tokens.weight", TensorRole.Embedding, -1, -1, new long[] { 144, 40 })]
    [InlineData("lm_head.weight", TensorRole.Head, -1, -1, new long[] { 144, 40 })]
    [InlineData("model.norm.weight", TensorRole.FinalNorm, -1, -1, new long[] { 40 })]
    [InlineData("model.layers.2.self_attn.q_proj.weight", TensorRole.Query, 2, -1, new long[] { 64, 40 })]
    [InlineData("model.layers.2.self_attn.k_proj.weight", TensorRole.Key, 2, -1, new long[] { 32, 40 })]
    [InlineData("model.layers.2.self_attn.v_proj.weight", TensorRole.Value, 2, -1, new long[] { 32, 40 })]
    [InlineData("model.layers.2.self_attn.o_proj.weight", TensorRole.Output, 2, -1, new long[] { 40, 64 })]
    [InlineData("model.layers.2.self_attn.q_norm.weight", TensorRole.QueryNorm, 2, -1, new long[] { 64 })]
    [InlineData("model.layers.2.self_attn.k_norm.weight", TensorRole.KeyNorm, 2, -1, new long[] { 32 })]
    [InlineData("model.layers.0.post_attention_layernorm.weight", TensorRole.AttentionNorm, 0, -1, new long[] { 40 })]
    [InlineData("model.layers.0.post_feedforward_layernorm.weight", TensorRole.FeedForwardNorm, 0, -1, new long[] { 40 })]
    [InlineData("model.layers.1.mlp.gate.weight", TensorRole.Router, 1, -1, new long[] { 6, 40 })]
    [InlineData("model.layers.1.mlp.experts.3.gate_proj.weight", TensorRole.Gate, 1, 3, new long[] { 100, 40 })]
    [InlineData("model.layers.1.mlp.experts.3.up_proj.weight", TensorRole.Up, 1, 3, new long[] { 100, 40 })]
    [InlineData("model.layers.1.mlp.experts.3.down_proj.weight", TensorRole.Down, 1, 3, new long[] { 40, 100 })]
    [InlineData("model.layers.1.mlp.experts.4.gate_proj_a.weight", TensorRole.GateA, 1, 4, new long[] { 5, 40 })]
    [InlineData("model.layers.1.mlp.experts.4.gate_proj_b.weight", TensorRole.GateB, 1, 4, new long[] { 100, 5 })]
    [InlineData("model.layers.1.mlp.experts.4.up_proj_a.weight", TensorRole.UpA, 1, 4, new long[] { 5, 40 })]
    [InlineData("model.layers.1.mlp.experts.4.up_proj_b.weight", TensorRole.UpB, 1, 4, new long[] { 100, 5 })]
    [InlineData("model.layers.1.mlp.experts.4.down_proj_a.weight", TensorRole.DownA, 1, 4, new long[] { 5, 100 })]
    [InlineData("model.layers.1.mlp.experts.4.down_proj_b.weight", TensorRole.DownB, 1, 4, new long[] { 40, 5 })]
    public void Tensors_FlexMore_HaveTheDocumentedPlaces(string name, TensorRole role, int layer, int expert, long[] shape) =>
        AssertPlace("flexmore-chained", name, new TensorSlot(role, layer, expert), shape);

    [Theory]
    [InlineData("model.layers.0.input_layernorm.weight", TensorRole.AttentionNorm, -1, new long[] { 40 })]
    [InlineData("model.layers.0.post_attention_layernorm.weight", TensorRole.FeedForwardNorm, -1, new long[] { 40 })]
    [InlineData("model.layers.0.block_sparse_moe.gate.weight", TensorRole.Router, -1, new long[] { 4, 40 })]
    [InlineData("model.layers.0.block_sparse_moe.experts.2.w1.weight", TensorRole.Gate, 2, new long[] { 44, 40 })]
    [InlineData("model.layers.0.block_sparse_moe.experts.2.w3.weight", TensorRole.Up, 2, new long[] { 44, 40 })]
    [InlineData("model.layers.0.block_sparse_moe.experts.2.w2.weight", TensorRole.Down, 2, new long[] { 40, 44 })]
    public void Tensors_Mixtral_HaveTheDocumentedPlaces(string name, TensorRole role, int expert, long[] shape) =>
        AssertPlace("mixtral", name, new TensorSlot(role, 0, expert), shape);

    [Theory]
    [InlineData("self_attn.q_proj.bias", TensorRole.QueryBias, 30)]
    [InlineData("self_attn.k_proj.bias", TensorRole.KeyBias, 30)]
    [InlineData("self_attn.v_proj.bias", TensorRole.ValueBias, 30)]
    [InlineData("self_attn.o_proj.bias", TensorRole.OutputBias, 36)]
    [InlineData("mlp.gate_proj.bias", TensorRole.GateBias, 50)]
    [InlineData("mlp.up_proj.bias", TensorRole.UpBias, 50)]
    [InlineData("mlp.down_proj.bias", TensorRole.DownBias, 36)]
    public void Tensors_LlamaWithBiases_HaveTheDocumentedPlaces(string name, TensorRole role, long length) =>
        AssertPlace("llama-bias", $"model.layers.1.{name}", new TensorSlot(role, 1), length);

    [Theory]
    [InlineData("model.layers.1.mlp.experts.gate_up_proj", TensorRole.FusedGateUp, new long[] { 4, 80, 48 })]
    [InlineData("model.layers.1.mlp.experts.down_proj", TensorRole.FusedDown, new long[] { 4, 48, 40 })]
    public void LayerTensors_Fused_HaveTheDocumentedPlaces(string name, TensorRole role, long[] shape)
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-headdim-fused"));

        ExpectedTensor tensor = layout.LayerTensors(1, fused: true).Single(t => t.Name == name);

        Assert.Equal(new TensorSlot(role, 1), tensor.Slot);
        Assert.Equal(shape, tensor.Shape);
    }

    [Fact]
    public void Constructor_UnknownTypeOrWrongMixture_Throws()
    {
        ModelDescription mixture = ModelFixtures.Read("flexolmo-e2");

        Assert.Throws<ArgumentException>(() => new TensorLayout(mixture with { ModelType = "gpt2" }));
        Assert.Throws<ArgumentException>(() => new TensorLayout(mixture with { Mixture = null }));
        Assert.Throws<ArgumentException>(() => new TensorLayout(mixture with { ModelType = "llama" }));
    }

    [Fact]
    public void LayerTensors_NoSuchLayerOrForm_Throws()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexmore-chained"));

        Assert.Throws<ArgumentOutOfRangeException>(() => layout.LayerTensors(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.LayerTensors(-1));
        Assert.Throws<ArgumentException>(() => layout.LayerTensors(0, fused: true));
    }

    private static void AssertPlace(string model, string name, TensorSlot slot, params long[] shape)
    {
        ExpectedTensor tensor = new TensorLayout(ModelFixtures.Read(model)).Tensors.Single(t => t.Name == name);

        Assert.Equal(slot, tensor.Slot);
        Assert.Equal(shape, tensor.Shape.AsEnumerable());
    }
}
