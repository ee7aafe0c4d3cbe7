using System.Text.Json;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ModelInspectionTests
{
    [Fact]
    public void Of_StoredTypes_CountBytesPerTensor()
    {
        ModelDescription model = ModelFixtures.Read("flexmore-chained");
        List<TensorShape> headers = ModelFixtures.Headers(model, "BF16");
        int norm = headers.FindIndex(t => t.Name == "model.norm.weight");
        headers[norm] = headers[norm] with { Type = "F32" };
        headers.Add(new TensorShape("model.rotary_emb.inv_freq", "F32", [8]));

        ModelInspection inspection = ModelInspection.Of(model, headers, "m");

        Assert.Equal(2 * inspection.Parameters.Total + 2 * 40, inspection.StoredBytes);
        Assert.Equal(4 * 40, inspection.StoredBytesByType["F32"]);
        Assert.Equal(headers.Count - 1, inspection.TensorCount);
        Assert.Equal([72000, 7560, 5040, 72000, 12600, 10080], inspection.ExpertStoredBytes);
    }

    [Theory]
    [InlineData("flexmore-chained")]
    [InlineData("flexmore-overrank")]
    [InlineData("flexolmo-e3-gqa")]
    [InlineData("mixtral")]
    [InlineData("olmo2")]
    public void Of_OneStoredType_AgreesWithTheCounts(string name)
    {
        ModelDescription model = ModelFixtures.Read(name);

        ModelInspection inspection = ModelInspection.Of(model, ModelFixtures.Headers(model), "m");

        Assert.Equal(inspection.Parameters.Active.Select(a => a.DecodeBytes(32)), inspection.DecodeBytes);
    }

    [Fact]
    public void Of_FusedExperts_SharesTheirBytes()
    {
        TensorLayout layout = new(ModelFixtures.Read("flexolmo-headdim-fused"));
        List<TensorShape> fused = [.. layout.OuterTensors.Concat(layout.LayerTensors(0, true)).Concat(layout.LayerTensors(1, true))
            .Select(t => new TensorShape(t.Name, "F32", t.Shape))];

        ModelInspection actual = ModelInspection.Of(layout.Description, fused, "m");
        ModelInspection expected = ModelInspection.Of(layout.Description, ModelFixtures.Headers(layout.Description), "m");

        Assert.Equal(expected.ExpertStoredBytes, actual.ExpertStoredBytes);
        Assert.Equal(expected.DecodeBytes, actual.DecodeBytes);
    }

    [Fact]
    public void Of_TiedEmbeddingsWithAHead_ReadsOneRowOfTheEmbedding()
    {
        ModelDescription model = ModelFixtures.Read("flexolmo-e3-gqa");
        List<TensorShape> headers = ModelFixtures.Headers(model);
        CountRange tied = ModelInspection.Of(model, headers, "m").DecodeBytes[0];

        headers.Add(new TensorShape("lm_head.weight", "F32", [200, 72]));

        Assert.Equal(tied.Plus(4 * 72), ModelInspection.Of(model, headers, "m").DecodeBytes[0]);
    }

    [Fact]
    public void Read_TinyMixture_ReportsIt()
    {
        string folder = TestData.Large("golden/tiny-mixture");

        ModelInspection inspection = ModelInspection.Read(folder, SafetensorsHeader.ReadFolder(folder));

        Assert.Equal((13216000, 26432000), (inspection.Parameters.Total, inspection.StoredBytes));
    }

    [Fact]
    public void Read_TensorsThatDoNotFit_Throws() => Assert.Throws<TensorLayoutException>(
        () => ModelInspection.Read(Path.GetDirectoryName(ModelFixtures.ConfigPath("olmo2"))!, []));

    [Fact]
    public void ToJson_Mixture_WritesExpertsAndCounts()
    {
        ModelDescription model = ModelFixtures.Read("flexmore-chained");
        ModelInspection inspection = ModelInspection.Of(model, ModelFixtures.Headers(model), "folder/m");

        using JsonDocument document = JsonDocument.Parse(Write(inspection));
        JsonElement report = document.RootElement, expert = report.GetProperty("experts")[5], active = report.GetProperty("active")[2];

        Assert.Equal("folder/m", report.GetProperty("source").GetString());
        Assert.Equal("flex_more", report.GetProperty("architecture").GetProperty("model_type").GetString());
        Assert.Equal(6, report.GetProperty("architecture").GetProperty("num_experts").GetInt32());
        Assert.Equal(inspection.Parameters.Total, report.GetProperty("total_parameters").GetInt64());
        Assert.Equal(inspection.StoredBytes, report.GetProperty("stored_bytes").GetInt64());
        Assert.Equal(("low-rank", 4, 2, 0), (
            expert.GetProperty("kind").GetString(),
            expert.GetProperty("rank").GetInt32(),
            expert.GetProperty("base").GetInt32(),
            expert.GetProperty("root").GetInt32()));
        Assert.Equal(3, active.GetProperty("k").GetInt32());
        Assert.Equal(inspection.DecodeBytes[2].Max, active.GetProperty("decode_bytes").GetProperty("max").GetInt64());
        Assert.False(report.GetProperty("experts")[0].TryGetProperty("rank", out _));
    }

    [Fact]
    public void ToJson_DenseModel_HasNoExperts()
    {
        ModelDescription model = ModelFixtures.Read("llama-bias");

        using JsonDocument document = JsonDocument.Parse(Write(ModelInspection.Of(model, ModelFixtures.Headers(model), "m")));

        Assert.Equal(0, document.RootElement.GetProperty("experts").GetArrayLength());
        Assert.Equal(0, document.RootElement.GetProperty("active")[0].GetProperty("k").GetInt32());
    }

    private static byte[] Write(ModelInspection inspection)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            inspection.ToJson(writer);
        }

        return stream.ToArray();
    }
}
