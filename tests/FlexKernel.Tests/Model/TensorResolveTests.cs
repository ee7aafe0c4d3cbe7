using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Resolving a checkpoint's tensors: optional forms are accepted, and every defect is listed.</summary>
public sealed class TensorResolveTests
{
    private static readonly TensorLayout Chained = new(ModelFixtures.Read("flexmore-chained"));

    [Fact]
    public void Resolve_CompleteCheckpoint_MapsBothWays()
    {
        TensorMap map = Chained.Resolve(Headers(Chained), "m");

        Assert.Equal(new TensorSlot(TensorRole.GateB, 2, 5), map.Slots["model.layers.2.mlp.experts.5.gate_proj_b.weight"]);
        Assert.Equal("model.layers.2.mlp.experts.5.gate_proj_b.weight", map.NameOf(new TensorSlot(TensorRole.GateB, 2, 5)));
        Assert.False(map.TryGetName(new TensorSlot(TensorRole.Gate, 2, 5), out _));
        Assert.Throws<KeyNotFoundException>(() => map.NameOf(new TensorSlot(TensorRole.Gate, 2, 5)));
    }

    [Theory]
    [InlineData("F32")]
    [InlineData("BF16")]
    [InlineData("F16")]
    public void Resolve_ReadableTypes_AreAccepted(string type) =>
        Assert.Equal(Chained.Tensors.Count(), Chained.Resolve(ModelFixtures.Headers(Chained.Description, type), "m").Slots.Count);

    [Fact]
    public void Resolve_MixedFusedAndSeparateLayers_IsAccepted()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-headdim-fused"));
        List<TensorShape> headers =
            [.. layout.OuterTensors.Concat(layout.LayerTensors(0, fused: true)).Concat(layout.LayerTensors(1)).Select(Header)];

        TensorMap map = layout.Resolve(headers, "m");

        Assert.True(map.TryGetName(new TensorSlot(TensorRole.FusedGateUp, 0), out _));
        Assert.True(map.TryGetName(new TensorSlot(TensorRole.Gate, 1, 3), out _));
        Assert.False(map.TryGetName(new TensorSlot(TensorRole.Gate, 0, 3), out _));
    }

    [Fact]
    public void Resolve_HalfFusedLayer_ListsTheMissingHalfAndTheSeparateTensors()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-headdim-fused"));
        List<TensorShape> headers = Headers(layout);
        headers.Add(Header(layout.LayerTensors(0, fused: true).Single(t => t.Slot.Role == TensorRole.FusedGateUp)));

        TensorLayoutException e = Assert.Throws<TensorLayoutException>(() => layout.Resolve(headers, "m"));

        Assert.Equal(1, e.Counts[TensorDefectKind.Missing]);
        Assert.Equal(12, e.Counts[TensorDefectKind.Unexpected]);
    }

    [Fact]
    public void Resolve_FusedExpertsOfALowRankMixture_AreUnexpected()
    {
        List<TensorShape> headers = [.. Headers(Chained), new("model.layers.0.mlp.experts.gate_up_proj", "F32", [6, 200, 40])];

        AssertOneDefect(Chained, headers, TensorDefectKind.Unexpected, "model.layers.0.mlp.experts.gate_up_proj", "found F32 [6, 200, 40]");
    }

    [Fact]
    public void Resolve_TiedEmbeddings_HeadIsOptional()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-e3-gqa"));
        List<TensorShape> headers = Headers(layout);

        Assert.False(layout.Resolve(headers, "m").TryGetName(new TensorSlot(TensorRole.Head), out _));

        headers.Add(new("lm_head.weight", "F32", [200, 72]));
        Assert.Equal("lm_head.weight", layout.Resolve(headers, "m").NameOf(new TensorSlot(TensorRole.Head)));
    }

    [Fact]
    public void Resolve_TiedEmbeddingsWithMisshapenHead_ListsIt()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-e3-gqa"));
        List<TensorShape> headers = [.. Headers(layout), new("lm_head.weight", "F32", [199, 72])];

        AssertOneDefect(layout, headers, TensorDefectKind.Misshapen, "lm_head.weight", "found [199, 72]");
    }

    [Fact]
    public void Resolve_OldRopeBuffers_AreIgnored()
    {
        List<TensorShape> headers = [.. Headers(Chained), new("model.layers.0.self_attn.rotary_emb.inv_freq", "F64", [8])];

        Assert.Equal(Chained.Tensors.Count(), Chained.Resolve(headers, "m").Slots.Count);
    }

    [Fact]
    public void Resolve_MissingTensor_IsListed() => AssertOneDefect(
        Chained,
        [.. Headers(Chained).Where(t => t.Name != "model.layers.1.mlp.gate.weight")],
        TensorDefectKind.Missing,
        "model.layers.1.mlp.gate.weight",
        "expected [6, 40], found nothing");

    [Fact]
    public void Resolve_MissingAttentionBiases_AreListed()
    {
        ModelDescription model = ModelFixtures.Read("flexolmo-e2");

        TensorLayoutException e = Assert.Throws<TensorLayoutException>(
            () => new TensorLayout(model with { AttentionBias = true }).Resolve(ModelFixtures.Headers(model), "m"));

        Assert.Equal(8, e.Counts[TensorDefectKind.Missing]);
    }

    [Theory]
    [InlineData("model.layers.3.mlp.gate.weight")]
    [InlineData("model.layers.0.mlp.gate.bias")]
    [InlineData("model.layers.0.input_layernorm.weight")]
    [InlineData("model.layers.00.mlp.gate.weight")]
    [InlineData("")]
    public void Resolve_UnexpectedTensor_IsListed(string name) => AssertOneDefect(
        Chained, [.. Headers(Chained), new(name, "F32", [6, 40])], TensorDefectKind.Unexpected, name, "found F32 [6, 40]");

    [Theory]
    [InlineData("model.layers.0.mlp.experts.4.gate_proj_a.weight", new long[] { 6, 40 }, "expected [5, 40], found [6, 40]")]
    [InlineData("model.layers.0.mlp.experts.0.gate_proj.weight", new long[] { 40, 100 }, "expected [100, 40], found [40, 100]")]
    [InlineData("model.norm.weight", new long[] { 1, 40 }, "expected [40], found [1, 40]")]
    [InlineData("model.norm.weight", new long[0], "expected [40], found []")]
    [InlineData("model.norm.weight", new[] { long.MaxValue }, "found [9223372036854775807]")]
    public void Resolve_MisshapenTensor_IsListed(string name, long[] shape, string detail) => AssertOneDefect(
        Chained, Replace(name, t => t with { Shape = [.. shape] }), TensorDefectKind.Misshapen, name, detail);

    [Theory]
    [InlineData("F64")]
    [InlineData("I8")]
    [InlineData("F8_E4M3")]
    public void Resolve_MistypedTensor_IsListed(string type) => AssertOneDefect(
        Chained,
        Replace("lm_head.weight", t => t with { Type = type }),
        TensorDefectKind.Mistyped,
        "lm_head.weight",
        $"expected one of F32, BF16, F16, found {type}");

    [Fact]
    public void Resolve_DuplicateTensor_IsListed() => AssertOneDefect(
        Chained,
        [.. Headers(Chained), new("model.norm.weight", "F32", [40])],
        TensorDefectKind.Duplicate,
        "model.norm.weight",
        "expected one tensor");

    [Fact]
    public void Resolve_DefectsOfEveryKind_AreListedTogether()
    {
        List<TensorShape> headers = Replace("model.norm.weight", t => t with { Shape = [41], Type = "I32" });
        headers.RemoveAll(t => t.Name == "lm_head.weight");
        headers.Add(new TensorShape("extra\nline", "F32", [1]));
        headers.Add(headers[0]);

        TensorLayoutException e = Assert.Throws<TensorLayoutException>(() => Chained.Resolve(headers, "folder/model"));

        Assert.Equal(Enum.GetValues<TensorDefectKind>(), e.Defects.Select(d => d.Kind).Order());
        Assert.Equal("folder/model", e.File);
        Assert.StartsWith(
            "folder/model: the tensors do not fit the configuration: 1 missing, 1 unexpected, 1 misshapen, 1 mistyped, 1 duplicate",
            e.Message,
            StringComparison.Ordinal);
        Assert.Contains("unexpected: extra?line: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resolve_ManyDefects_AreCountedAndTheFirstListed()
    {
        TensorLayout layout = new(ModelFixtures.SevenBillion(ModelFixtures.OneFullAndSix(64)));
        List<TensorShape> headers = [.. Enumerable.Range(0, 30).Select(i => new TensorShape($"junk.{i:D2}", "F32", [1]))];

        TensorLayoutException e = Assert.Throws<TensorLayoutException>(() => layout.Resolve(headers, "m"));

        Assert.Equal((1539, 30), (e.Counts[TensorDefectKind.Missing], e.Counts[TensorDefectKind.Unexpected]));
        Assert.Equal(2 * TensorLayoutException.ListedPerKind, e.Defects.Length);
        Assert.Contains("missing: … and 1519 more", e.Message, StringComparison.Ordinal);
        Assert.Contains("junk.00", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("junk.25", e.Message, StringComparison.Ordinal);
    }

    private static void AssertOneDefect(TensorLayout layout, List<TensorShape> headers, TensorDefectKind kind, string name, string detail)
    {
        TensorLayoutException e = Assert.Throws<TensorLayoutException>(() => layout.Resolve(headers, "m"));

        TensorDefect defect = Assert.Single(e.Defects);
        Assert.Equal((kind, name), (defect.Kind, defect.Name));
        Assert.Contains(detail, defect.Detail, StringComparison.Ordinal);
        Assert.Equal([new KeyValuePair<TensorDefectKind, int>(kind, 1)], e.Counts);
    }

    private static List<TensorShape> Headers(TensorLayout layout) => ModelFixtures.Headers(layout.Description);

    private static List<TensorShape> Replace(string name, Func<TensorShape, TensorShape> change) =>
        [.. Headers(Chained).Select(t => t.Name == name ? change(t) : t)];

    private static TensorShape Header(ExpectedTensor tensor) => new(tensor.Name, "F32", tensor.Shape);
}
