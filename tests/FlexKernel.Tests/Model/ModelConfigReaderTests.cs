using System.Text;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ModelConfigReaderTests
{
    [Theory]
    [InlineData("flexolmo-eps", 500000)]
    [InlineData("flexmore-mixed", 500000)]
    [InlineData("mixtral", 1000000)]
    [InlineData("llama-rope", 10000)]
    [InlineData("olmo2", 10000)]
    [InlineData("olmoe", 10000)]
    public void Read_NoThetaAtAll_UsesTheDefaultOfTheType(string name, double theta) =>
        Assert.Equal(theta, ModelFixtures.ReadEdited(name, "rope_parameters", null).Rope.Theta);

    [Fact]
    public void Read_ThetaInBothPlaces_RopeParametersWins() =>
        Assert.Equal(500000, ModelFixtures.ReadEdited("olmo2", "rope_theta", "77").Rope.Theta);

    [Fact]
    public void Read_RopeParametersWithoutTheta_UsesTheOuterTheta()
    {
        ModelDescription model = ReadText(Flex("""
            "rope_parameters": {"rope_type": "default"}, "rope_theta": 1234
            """));

        Assert.Equal(1234, model.Rope.Theta);
    }

    [Fact]
    public void Read_BothRopeStylesWithOneMeaning_IsAccepted()
    {
        RopeDescription rope = ModelFixtures.ReadEdited("llama-rope", "rope_scaling", """
            {"type": "llama3", "factor": 8, "high_freq_factor": 4, "low_freq_factor": 1, "original_max_position_embeddings": 128}
            """).Rope;

        Assert.Equal(RopeScaling.Llama3, rope.Scaling);
    }

    [Fact]
    public void Read_HeadDimensionNull_IsInferred() =>
        Assert.Equal(12, ModelFixtures.ReadEdited("flexmore-mixed", "head_dim", "null").HeadDimension);

    [Theory]
    [InlineData(null)]
    [InlineData("null")]
    public void Read_KeyValueHeadsAbsent_EqualsHeads(string? value) =>
        Assert.Equal(4, ModelFixtures.ReadEdited("flexmore-mixed", "num_key_value_heads", value).KeyValueHeadCount);

    [Fact]
    public void Read_ExpertCountAlias_IsAccepted()
    {
        string text = File.ReadAllText(ModelFixtures.ConfigPath("flexolmo-e2")).Replace("\"num_experts\"", "\"num_local_experts\"");

        Assert.Equal(ModelFixtures.Read("flexolmo-e2"), ReadText(text));
    }

    [Fact]
    public void Read_UnknownKeys_AreIgnored() => Assert.Equal(
        ModelFixtures.Read("olmo2"), ModelFixtures.ReadEdited("olmo2", "some_future_key", """{"anything": [1, null]}"""));

    [Theory]
    [InlineData("7", new[] { 7 })]
    [InlineData("[5, 6, 5]", new[] { 5, 6 })]
    [InlineData("null", new int[0])]
    [InlineData(null, new int[0])]
    public void Read_EndOfSequence_IsNumberOrList(string? value, int[] expected) =>
        Assert.Equal(expected, ModelFixtures.ReadEdited("olmo2", "eos_token_id", value).EndOfSequenceIds);

    [Theory]
    [InlineData("""{"eos_token_id": 9}""", new[] { 2, 9 })]
    [InlineData("""{"eos_token_id": [9, 2, 4]}""", new[] { 2, 9, 4 })]
    [InlineData("""{"temperature": 1}""", new[] { 2 })]
    public void Read_GenerationConfig_AddsEndOfSequenceIds(string generation, int[] expected)
    {
        ModelDescription model = ModelConfigReader.Read(
            Encoding.UTF8.GetBytes(Flex("\"eos_token_id\": 2")), "config.json", default, Encoding.UTF8.GetBytes(generation));

        Assert.Equal(expected, model.EndOfSequenceIds);
    }

    [Fact]
    public void Read_OverriddenEndOfSequence_IsNotExtended()
    {
        ModelDescription model = ModelConfigReader.Read(
            Encoding.UTF8.GetBytes(Flex("\"eos_token_id\": 2")),
            "config.json",
            ModelFixtures.Json("""{"eos_token_id": 5}"""),
            """{"eos_token_id": 9}"""u8.ToArray());

        Assert.Equal([5], model.EndOfSequenceIds);
    }

    [Fact]
    public void Read_FileBesideGenerationConfig_ReadsBoth()
    {
        string folder = Directory.CreateTempSubdirectory("flexkernel-config-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), Flex("\"eos_token_id\": 2"));
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"eos_token_id": [11]}""");

            Assert.Equal([2, 11], ModelConfigReader.Read(Path.Combine(folder, "config.json")).EndOfSequenceIds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Read_InvalidGenerationConfig_NamesThatFile()
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelConfigReader.Read(
            Encoding.UTF8.GetBytes(Flex("\"eos_token_id\": 2")), "folder/config.json", default, """{"eos_token_id": 128}"""u8.ToArray()));

        Assert.Equal(("eos_token_id", "generation_config.json"), (e.Key, Path.GetFileName(e.File)));
    }

    [Fact]
    public void Read_PaddingMinusOne_MeansNone() => Assert.Null(ModelFixtures.ReadEdited("llama-rope", "pad_token_id", "-1").PaddingId);

    [Fact]
    public void Read_ByteOrderMark_IsSkipped() => Assert.Equal(ModelFixtures.Read("olmo2"), ReadText(
        "\uFEFF" + File.ReadAllText(ModelFixtures.ConfigPath("olmo2"))));

    [Fact]
    public void Read_AttentionBiasOfAPostNormType_IsSupported() =>
        Assert.True(ModelFixtures.ReadEdited("flexolmo-e2", "attention_bias", "true").AttentionBias);

    [Fact]
    public void Read_OverriddenAlias_ReplacesTheOtherKey() => Assert.Equal(
        2, ModelFixtures.Read("mixtral", overrides: """{"num_experts": 2, "num_experts_per_tok": 1}""").Mixture!.Count);

    private static ModelDescription ReadText(string text) => ModelConfigReader.Read(Encoding.UTF8.GetBytes(text), "edited.json");

    private static string Flex(string more) => $$"""
        {"model_type": "flex_olmo", "vocab_size": 128, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2,
         "num_attention_heads": 4, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "num_experts": 3, "num_experts_per_tok": 2,
         {{more}} }
        """;
}
