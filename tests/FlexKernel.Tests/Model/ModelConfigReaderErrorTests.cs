using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Every invalid or unsupported configuration is an error that names file, key, expected and found.</summary>
public sealed class ModelConfigReaderErrorTests
{
    // Case, key set or removed (null), the key named, a part of the message.
    [Theory]
    [InlineData("olmo2", "model_type", "\"gpt2\"", "model_type", "\"gpt2\"")]
    [InlineData("olmo2", "model_type", "\"pruned_flex_olmo\"", "model_type", "flex_more (flexmore)")]
    [InlineData("olmo2", "model_type", null, "model_type", "found nothing")]
    [InlineData("olmo2", "model_type", "3", "model_type", "a string")]
    [InlineData("olmo2", "vocab_size", null, "vocab_size", "found nothing")]
    [InlineData("olmo2", "vocab_size", "0", "vocab_size", "found 0")]
    [InlineData("olmo2", "vocab_size", "99999999999", "vocab_size", "99999999999")]
    [InlineData("olmo2", "hidden_size", "-48", "hidden_size", "-48")]
    [InlineData("olmo2", "hidden_size", "\"48\"", "hidden_size", "\"48\"")]
    [InlineData("olmo2", "hidden_size", "48.5", "hidden_size", "48.5")]
    [InlineData("olmo2", "hidden_size", "2147483647", "hidden_size", "1048576")]
    [InlineData("olmo2", "hidden_size", "50", "num_attention_heads", "divisor of hidden_size, 50")]
    [InlineData("olmo2", "hidden_size", "52", "num_attention_heads", "even head dimension")]
    [InlineData("olmo2", "intermediate_size", "[100, 50]", "intermediate_size", "found [100,50]")]
    [InlineData("olmo2", "num_hidden_layers", "1000000", "num_hidden_layers", "4096")]
    [InlineData("olmo2", "num_attention_heads", "0", "num_attention_heads", "found 0")]
    [InlineData("olmo2", "num_key_value_heads", "3", "num_key_value_heads", "divisor of num_attention_heads, 4")]
    [InlineData("olmo2", "num_key_value_heads", "8", "num_key_value_heads", "from 1 to 4")]
    [InlineData("olmo2", "head_dim", "13", "head_dim", "even")]
    [InlineData("olmo2", "head_dim", "1000000", "head_dim", "1048576 channels")]
    [InlineData("olmo2", "max_position_embeddings", null, "max_position_embeddings", "found nothing")]
    [InlineData("olmo2", "rms_norm_eps", null, "rms_norm_eps", "found nothing")]
    [InlineData("olmo2", "rms_norm_eps", "-1e-6", "rms_norm_eps", "-1e-6")]
    [InlineData("olmo2", "rms_norm_eps", "true", "rms_norm_eps", "true")]
    [InlineData("olmo2", "tie_word_embeddings", "1", "tie_word_embeddings", "true or false")]
    [InlineData("olmo2", "eos_token_id", "160", "eos_token_id", "from 0 to 159")]
    [InlineData("olmo2", "eos_token_id", "[2, \"x\"]", "eos_token_id", "\"x\"")]
    [InlineData("olmo2", "bos_token_id", "-1", "bos_token_id", "-1")]
    [InlineData("olmo2", "pad_token_id", "-2", "pad_token_id", "-2")]
    [InlineData("olmo2", "dtype", "16", "dtype", "a string")]
    [InlineData("olmo2", "clip_qkv", "8.0", "clip_qkv", "null for model type olmo2")]
    [InlineData("flexolmo-e2", "clip_qkv", "8.0", "clip_qkv", "null for model type flex_olmo")]
    [InlineData("flexmore-mixed", "clip_qkv", "8.0", "clip_qkv", "null for model type flex_more")]
    [InlineData("llama-rope", "clip_qkv", "8.0", "clip_qkv", "null for model type llama")]
    [InlineData("olmoe", "clip_qkv", "0", "clip_qkv", "found 0")]
    [InlineData("olmoe", "clip_qkv", "\"0.8\"", "clip_qkv", "\"0.8\"")]
    [InlineData("olmo2", "hidden_act", "\"gelu\"", "hidden_act", "\"silu\" for model type olmo2, found \"gelu\"")]
    [InlineData("mixtral", "sliding_window", "0", "sliding_window", "found 0")]
    [InlineData("llama-rope", "sliding_window", "4096", "sliding_window", "null for model type llama, found 4096")]
    [InlineData("mixtral", "attention_bias", "true", "attention_bias", "false for model type mixtral")]
    [InlineData("mixtral", "norm_topk_prob", "false", "norm_topk_prob", "true for model type mixtral")]
    [InlineData("olmo2", "mlp_bias", "true", "mlp_bias", "false for model type olmo2")]
    [InlineData("olmo2", "layer_types", "[\"full_attention\", \"sliding_attention\", \"full_attention\"]", "layer_types", "full_attention")]
    [InlineData("olmo2", "quantization_config", "{\"quant_method\": \"gptq\"}", "quantization_config", "gptq")]
    [InlineData("llama-rope", "partial_rotary_factor", "0.5", "partial_rotary_factor", "0.5")]
    [InlineData("llama-rope", "final_logit_softcapping", "30.0", "final_logit_softcapping", "30.0")]
    [InlineData("llama-rope", "logits_scaling", "8", "logits_scaling", "found 8")]
    [InlineData("olmo2", "rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 2}", "rope_parameters.rope_type", "one of default")]
    [InlineData("flexolmo-e2", "rope_scaling", "{\"type\": \"llama3\"}", "rope_scaling.rope_type", "default for model type flex_olmo")]
    [InlineData("llama-rope", "rope_parameters", "{\"rope_type\": \"yarn\", \"factor\": 2}", "rope_parameters.rope_type", "yarn")]
    [InlineData("llama-rope", "rope_parameters", "{\"rope_type\": \"linear\"}", "rope_parameters.factor", "found nothing")]
    [InlineData("llama-rope", "rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 0}", "rope_parameters.factor", "found 0")]
    [InlineData("llama-rope", "rope_parameters", "{\"factor\": 2}", "rope_parameters.rope_type", "nothing beside 'factor'")]
    [InlineData("llama-rope", "rope_parameters", "{\"full_attention\": {}}", "rope_parameters.rope_type", "full_attention")]
    [InlineData("llama-rope", "rope_parameters", "{\"rope_theta\": -1}", "rope_parameters.rope_theta", "-1")]
    [InlineData("llama-rope", "rope_parameters", "{\"partial_rotary_factor\": 0.5}", "rope_parameters.partial_rotary_factor", "0.5")]
    [InlineData("llama-rope", "rope_parameters", "[]", "rope_parameters", "an object")]
    [InlineData("llama-rope", "rope_scaling", "{\"type\": \"linear\", \"factor\": 2}", "rope_scaling", "same scaling as in rope_param")]
    [InlineData("flexolmo-e2", "num_experts_per_tok", null, "num_experts_per_tok", "found nothing")]
    [InlineData("flexolmo-e2", "num_experts_per_tok", "null", "num_experts_per_tok", "found nothing")]
    [InlineData("flexolmo-e2", "num_experts_per_tok", "3", "num_experts_per_tok", "1 to the number of experts, 2")]
    [InlineData("flexolmo-e2", "num_experts_per_tok", "0", "num_experts_per_tok", "found 0")]
    [InlineData("flexolmo-e2", "num_experts", null, "num_experts", "found nothing")]
    [InlineData("flexolmo-e2", "num_experts", "100000", "num_experts", "1024")]
    [InlineData("flexolmo-e2", "num_local_experts", "3", "num_local_experts", "value of num_experts, 2")]
    [InlineData("flexolmo-e2", "expert_ranks", "[0, 4]", "expert_ranks", "only zeros for model type flex_olmo")]
    [InlineData("flexolmo-e2", "expert_names", "[\"a\"]", "expert_names", "2 entries")]
    [InlineData("flexolmo-e2", "expert_names", "[\"a\", \"a\"]", "expert_names", "names that differ, found 'a' for expert 1")]
    [InlineData("flexolmo-e2", "expert_names", "[\"a\", \" \"]", "expert_names", "printable")]
    [InlineData("flexolmo-e2", "expert_names", "[\"1\", \"b\"]", "expert_names", "index of another expert")]
    [InlineData("flexolmo-e2", "expert_names", "[\"a\", 2]", "expert_names", "a string")]
    [InlineData("flexmore-mixed", "expert_ranks", "[0, 4]", "expert_ranks", "6 entries")]
    [InlineData("flexmore-mixed", "expert_ranks", "[0, 4, 1, 8, 0, -3]", "expert_ranks", "-3")]
    [InlineData("flexmore-mixed", "expert_ranks", "[0, 4, 1, 8, 0, 2000000]", "expert_ranks", "2000000")]
    [InlineData("flexmore-mixed", "expert_ranks", "\"4\"", "expert_ranks", "a list")]
    [InlineData("flexmore-mixed", "expert_ranks", "[4, 4, 1, 8, 0, 3]", "expert_bases", "cycle")]
    [InlineData("flexmore-chained", "expert_alphas", "[0, 6]", "expert_alphas", "6 entries")]
    [InlineData("flexmore-chained", "expert_alphas", "[0, 6, null, 0, 10, 4]", "expert_alphas", "null")]
    [InlineData("flexmore-chained", "expert_alphas", "[0, 6, 1e60, 0, 10, 4]", "expert_alphas", "finite float32")]
    [InlineData("flexmore-chained", "expert_bases", "[0, 0, 1, 0, 3]", "expert_bases", "6 entries")]
    [InlineData("flexmore-chained", "expert_bases", "[0, 0, 1, 0, 3, 6]", "expert_bases", "an expert index, 0 to 5, found 6 for expert 5")]
    [InlineData("flexmore-chained", "expert_bases", "[0, 0, 1, 0, 3, -1]", "expert_bases", "found -1")]
    [InlineData("flexmore-chained", "expert_bases", "[0, 0, 5, 0, 3, 2]", "expert_bases", "cycle")]
    [InlineData("flexmore-chained", "expert_bases", "[0, 0, 1, 0, 3, 5]", "expert_bases", "cycle")]
    public void Read_InvalidValue_NamesKeyExpectedAndFound(string name, string key, string? value, string namedKey, string message)
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelFixtures.ReadEdited(name, key, value));

        Assert.Equal(("edited.json", namedKey), (e.File, e.Key));
        Assert.StartsWith($"edited.json: '{namedKey}': expected ", e.Message, StringComparison.Ordinal);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    // Values that mean nothing must not be rejected.
    [Theory]
    [InlineData("flexmore-chained", "expert_bases", "[99, 0, 1, -5, 3, 2]")]
    [InlineData("flexmore-chained", "expert_alphas", "[1e300, 6, 1, -7, 10, 4]")]
    public void Read_SenselessEntryOfAFullExpert_IsIgnored(string name, string key, string value) =>
        Assert.Equal(ModelFixtures.Read(name), ModelFixtures.ReadEdited(name, key, value));

    [Theory]
    [InlineData("olmo2", "clip_qkv", "null")]
    [InlineData("olmo2", "sliding_window", "null")]
    [InlineData("mixtral", "sliding_window", "null")]
    [InlineData("olmo2", "layer_types", "[\"full_attention\", \"full_attention\", \"full_attention\"]")]
    [InlineData("olmo2", "quantization_config", "null")]
    [InlineData("olmo2", "partial_rotary_factor", "1.0")]
    [InlineData("flexmore-mixed/dense", "expert_ranks", "[0, 0, 0, 0, 0, 0]")]
    [InlineData("mixtral", "norm_topk_prob", "true")]
    [InlineData("mixtral", "attention_bias", "false")]
    public void Read_NeutralValue_ChangesNothing(string name, string key, string value) =>
        Assert.Equal(ModelFixtures.Read(name), ModelFixtures.ReadEdited(name, key, value));

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"model_type": "olmo2", "model_type": "llama"}""")]
    [InlineData("""{"\ud800": 1}""")]
    [InlineData("""{"x": NaN}""")]
    public void Read_NotAConfigObject_NamesTheFile(string text)
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(
            () => ModelConfigReader.Read(Encoding.UTF8.GetBytes(text), "bad.json"));

        Assert.Equal(("bad.json", ""), (e.File, e.Key));
        Assert.StartsWith("bad.json: expected ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model_type": "\ud800"}""", "model_type")]
    [InlineData("""{"model_type": "olmo2", "hidden_act": "\udc00"}""", "hidden_act")]
    [InlineData("""{"model_type": "llama", "layer_types": ["\udc00"]}""", "layer_types")]
    public void Read_UnpairedSurrogate_IsAnErrorOfItsKey(string text, string key) => Assert.Equal(
        key, Assert.Throws<ModelConfigException>(() => ModelConfigReader.Read(Encoding.UTF8.GetBytes(text), "bad.json")).Key);

    [Fact]
    public void Read_DeeplyNestedJson_IsRejected() => Assert.Throws<ModelConfigException>(() => ModelConfigReader.Read(
        Encoding.UTF8.GetBytes($$"""{"x": {{new string('[', 100)}}{{new string(']', 100)}}}"""), "deep.json"));

    [Fact]
    public void Read_OversizedFile_IsRejected()
    {
        byte[] padded = Encoding.UTF8.GetBytes(File.ReadAllText(ModelFixtures.ConfigPath("olmo2")) + new string(' ', 1 << 20));

        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelConfigReader.Read(padded, "big.json"));

        Assert.Contains("1048576 bytes", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_TooManyExpertsInAllLayers_IsRejected()
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelFixtures.Read(
            "flexolmo-e2", overrides: """{"num_experts": 1024, "num_hidden_layers": 65}"""));

        Assert.Equal("num_experts", e.Key);
        Assert.Contains("65536 experts in all layers, found 66560", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_LongChainOfLargeRanks_IsRejected()
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelFixtures.Read(
            "flexmore-mixed", overrides: """{"expert_ranks": [0, 600000, 600000, 0, 0, 0], "expert_bases": [0, 0, 1, 0, 0, 0]}"""));

        Assert.Equal("expert_ranks", e.Key);
        Assert.Contains("1200000 for expert 2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_InvalidOverride_SaysSo()
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => ModelFixtures.Read(
            "flexolmo-e2", overrides: """{"hidden_size": "wide"}"""));

        Assert.Contains("found \"wide\" (an override)", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("flexolmo-e2", """{"num_expert_per_tok": 1}""", "num_expert_per_tok")]
    [InlineData("olmo2", """{"num_experts_per_tok": 1}""", "num_experts_per_tok")]
    [InlineData("olmo2", """{"rope_theta": 1}""", "rope_theta")]
    [InlineData("olmo2", """{"rope_scaling": {"type": "linear", "factor": 2}}""", "rope_scaling")]
    public void Read_OverrideWithoutEffect_IsAnError(string name, string overrides, string key) =>
        Assert.Equal(key, Assert.Throws<ModelConfigException>(() => ModelFixtures.Read(name, overrides: overrides)).Key);

    [Fact]
    public void Read_MissingFile_Throws() =>
        Assert.Equal(
            CheckpointError.FileNotFound,
            Assert.Throws<CheckpointException>(() => ModelConfigReader.Read(ModelFixtures.ConfigPath("olmo2", "absent.json"))).Error);
}
