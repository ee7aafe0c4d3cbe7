using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Adapters;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Adapters;

public sealed class AdapterConfigTests
{
    private const string Minimal = """{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}""";

    [Fact]
    public void Read_WhatPeftWrote_HasItsValues()
    {
        AdapterConfig plain = Read("qv_r4"), stabilised = Read("all_rslora_r6"), patterns = Read("patterns");

        Assert.Equal((4, 8.0, false), (plain.Rank, plain.Alpha, plain.UsesRankStabilisedScale));
        Assert.Equal(["q_proj", "v_proj"], plain.TargetModules.Names);
        Assert.Equal("peft/model.safetensors", plain.BaseModel);
        Assert.True(stabilised.UsesRankStabilisedScale);
        Assert.Equal(["lm_head"], patterns.SavedModules);
        Assert.Equal(KeyValuePair.Create("layers.0.mlp.down_proj", 2), Assert.Single(patterns.RankPatterns));
        Assert.Equal(KeyValuePair.Create("layers.1.mlp.up_proj", 10.0), Assert.Single(patterns.AlphaPatterns));
    }

    [Theory]
    [InlineData("qv_r4")]
    [InlineData("all_rslora_r6")]
    [InlineData("patterns")]
    public void ToUtf8_WhatPeftWrote_HasTheSameMembersAsFarAsItHasThem(string name)
    {
        AdapterConfig config = Read(name);
        JsonObject original = JsonNode.Parse(TestData.Bytes(File(name)))!.AsObject();

        JsonObject written = JsonNode.Parse(config.ToUtf8())!.AsObject();

        Assert.Equal(21, written.Count);
        Assert.All(written, member => Assert.True(
            JsonNode.DeepEquals(original[member.Key], member.Value), $"{member.Key}: {member.Value?.ToJsonString()}, expected {original[member.Key]?.ToJsonString()}"));
    }

    [Fact]
    public void Parse_WhatToUtf8Wrote_IsTheSame()
    {
        AdapterConfig config = new()
        {
            TargetModules = ModuleSelection.OfNames("up_proj", "model.layers.0.self_attn.q_proj"),
            ExcludedModules = ModuleSelection.OfPattern(@".*\.3\..*"),
            Rank = 3,
            Alpha = 4.5,
            UsesRankStabilisedScale = true,
            RankPatterns = [new("a", 2), new("b", 5)],
            AlphaPatterns = [new("b", -0.25)],
            SavedModules = ["lm_head", "norm"],
            Layers = [0, 7],
            Dropout = 0.05,
            BaseModel = "somewhere/ø",
        };

        AdapterConfig read = AdapterConfig.Parse(config.ToUtf8(), "a.json");

        Assert.Equal(Encoding.UTF8.GetString(config.ToUtf8()), Encoding.UTF8.GetString(read.ToUtf8()));
        Assert.Equal((3, 4.5, 0.05, "somewhere/ø"), (read.Rank, read.Alpha, read.Dropout, read.BaseModel));
        Assert.Equal([0, 7], read.Layers);
        Assert.Equal(config.RankPatterns, read.RankPatterns);
        Assert.Equal(@".*\.3\..*", read.ExcludedModules!.Pattern);
    }

    [Theory]
    [InlineData(false, "model.layers.0.mlp.up_proj", 8, 2.0)]
    [InlineData(true, "model.layers.0.mlp.up_proj", 8, 5.656854249492381)]
    [InlineData(false, "model.layers.1.mlp.up_proj", 2, 8.0)]
    [InlineData(false, "model.layers.1.self_attn.q_proj", 4, 4.0)]
    [InlineData(false, "model.layers.2.self_attn.q_proj", 8, 0.5)]
    [InlineData(true, "model.layers.1.self_attn.v_proj", 4, 8.0)]
    public void ScaleOf_AlphaByRank_OrItsRoot_PatternsFirst(bool stabilised, string module, int rank, double scale)
    {
        AdapterConfig config = new()
        {
            TargetModules = ModuleSelection.AllLinear,
            Rank = 8,
            Alpha = 16,
            UsesRankStabilisedScale = stabilised,
            RankPatterns = [new(@"layers\.1\.mlp\..*", 2), new(@".*\.1\..*", 4)],
            AlphaPatterns = [new("layers.2.self_attn.q_proj", 4)],
        };

        Assert.Equal((rank, (float)scale), (config.RankOf(module), config.ScaleOf(module)));
    }

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "\"LORA\"")]
    [InlineData("peft_type", null, "nothing")]
    [InlineData("r", "0", "an integer from 1")]
    [InlineData("r", null, "nothing")]
    [InlineData("lora_alpha", "\"8\"", "a number")]
    [InlineData("lora_alpha", null, "nothing")]
    [InlineData("target_modules", null, "nothing")]
    [InlineData("target_modules", "[]", "a list of names")]
    [InlineData("target_modules", "[\"a\", 1]", "a string")]
    [InlineData("target_modules", "[\"\"]", "not empty")]
    [InlineData("target_modules", "\"(a\"", "valid regular expressions")]
    [InlineData("rank_pattern", "{\"(\": 2}", "valid regular expressions")]
    [InlineData("rank_pattern", "{\"a\": 0}", "an integer from 1")]
    [InlineData("alpha_pattern", "{\"a\": null}", "a number")]
    [InlineData("lora_dropout", "1.5", "a number from 0 to 1")]
    [InlineData("bias", "\"all\"", "\"none\"")]
    [InlineData("init_lora_weights", "\"pissa_niter_4\"", "leaves the base as it is")]
    [InlineData("init_lora_weights", "\"olora\"", "leaves the base as it is")]
    [InlineData("fan_in_fan_out", "true", "plain LoRA")]
    [InlineData("use_dora", "true", "plain LoRA")]
    [InlineData("lora_bias", "true", "plain LoRA")]
    [InlineData("layer_replication", "[[0, 4]]", "plain LoRA")]
    [InlineData("target_parameters", "[\"mlp.experts.gate_up_proj\"]", "plain LoRA")]
    [InlineData("trainable_token_indices", "[1, 2]", "plain LoRA")]
    [InlineData("megatron_config", "{\"a\": 1}", "plain LoRA")]
    [InlineData("of_a_later_version", "\"x\"", "plain LoRA")]
    [InlineData("layers_pattern", "[\"h\"]", "\"layers\"")]
    [InlineData("layers_to_transform", "[-1]", "an integer from 0")]
    [InlineData("modules_to_save", "\"lm_head\"", "a list")]
    public void Parse_WhatIsNotPlainLora_NamesFileKeyExpectedAndFound(string key, string? value, string expected)
    {
        ModelConfigException error = Assert.Throws<ModelConfigException>(() => AdapterConfig.Parse(With(key, value), "dir/adapter_config.json"));

        Assert.StartsWith(key, error.Key, StringComparison.Ordinal);
        Assert.Contains("dir/adapter_config.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("use_dora", "false")]
    [InlineData("of_a_later_version", "null")]
    [InlineData("of_a_later_version", "{}")]
    [InlineData("layer_replication", "[]")]
    [InlineData("init_lora_weights", "\"gaussian\"")]
    [InlineData("init_lora_weights", "false")]
    [InlineData("task_type", "\"CAUSAL_LM\"")]
    [InlineData("eva_config", "{\"rho\": 2.0}")]
    [InlineData("layers_pattern", "\"layers\"")]
    [InlineData("layers_to_transform", "3")]
    public void Parse_WhatChangesNothing_Passes(string key, string value) => Assert.Equal(4, AdapterConfig.Parse(With(key, value), "a.json").Rank);

    [Fact]
    public void Parse_LayersBesideAPattern_IsAnError()
    {
        byte[] content = """{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ".*q_proj", "layers_to_transform": [0]}"""u8.ToArray();

        Assert.Equal("layers_to_transform", Assert.Throws<ModelConfigException>(() => AdapterConfig.Parse(content, "a.json")).Key);
    }

    private static byte[] With(string key, string? value)
    {
        JsonObject json = JsonNode.Parse(Minimal)!.AsObject();
        json.Remove(key);
        if (value is not null)
        {
            json[key] = JsonNode.Parse(value);
        }

        return Encoding.UTF8.GetBytes(json.ToJsonString());
    }

    private static AdapterConfig Read(string name) => AdapterConfig.Read(File(name));

    private static string File(string name) => TestData.Fixture($"training/peft/{name}/adapter_config.json");
}
