using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>Keys that would change results and that the engine does not implement: only their neutral values pass.</summary>
/// <remarks>Some of them no reference class of these types reads; a file that sets one was written for other code, and ignoring it
/// would run a different model without a word.</remarks>
internal static class NeutralKeys
{
    private static readonly (string Key, string Expected, Func<JsonElement, bool> IsNeutral)[] ForAll =
    [
        ("hidden_act", "\"silu\"", v => IsText(v, "silu")),
        ("layer_types", "only \"full_attention\"", v => IsListOf(v, e => IsText(e, "full_attention"))),
        ("quantization_config", "null", _ => false),
        ("compression_config", "null", _ => false),
        ("partial_rotary_factor", "1", IsOne),
        ("attn_logit_softcapping", "null", _ => false),
        ("final_logit_softcapping", "null", _ => false),
        ("attention_multiplier", "null", _ => false),
        ("embedding_multiplier", "1", IsOne),
        ("residual_multiplier", "1", IsOne),
        ("logits_scaling", "1", IsOne),
        ("logit_scale", "1", IsOne),
        ("routed_scaling_factor", "1", IsOne),
        ("scoring_func", "\"softmax\"", v => IsText(v, "softmax")),
        ("use_bidirectional_attention", "false", IsFalse),
        ("alibi", "false", IsFalse),
    ];

    /// <summary>Checks every such key of a configuration.</summary>
    public static void Check(ConfigObject config, Architecture architecture)
    {
        foreach ((string key, string expected, Func<JsonElement, bool> isNeutral) in ForAll)
        {
            Require(config, architecture, key, expected, isNeutral);
        }

        if (!architecture.HonoursSlidingWindow)
        {
            Require(config, architecture, "sliding_window", "null", _ => false);
        }

        if (!architecture.HonoursClipQkv)
        {
            Require(config, architecture, "clip_qkv", "null", _ => false);
        }

        if (!architecture.HonoursAttentionBias)
        {
            Require(config, architecture, "attention_bias", "false", IsFalse);
        }

        if (!architecture.HonoursFeedForwardBias)
        {
            Require(config, architecture, "mlp_bias", "false", IsFalse);
        }

        if (!architecture.AllowsLowRank)
        {
            Require(config, architecture, "expert_ranks", "only zeros", v => IsListOf(v, e => IsNumber(e, 0)));
        }

        if (architecture.IsMixture && architecture.Renormalisation == Renormalisation.Always)
        {
            Require(config, architecture, "norm_topk_prob", "true", v => v.ValueKind == JsonValueKind.True);
        }
    }

    private static void Require(
        ConfigObject config, Architecture architecture, string key, string expected, Func<JsonElement, bool> isNeutral)
    {
        if (config.Find(key) is { } value && !isNeutral(value))
        {
            throw config.Error(key, $"{expected} for model type {architecture.ModelType}", value);
        }
    }

    private static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsOne(JsonElement value) => IsNumber(value, 1);

    private static bool IsNumber(JsonElement value, double number) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double found) && found == number;

    private static bool IsText(JsonElement value, string text)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String && value.ValueEquals(text);
        }
        catch (InvalidOperationException)
        {
            // An unpaired surrogate equals no text.
            return false;
        }
    }

    private static bool IsListOf(JsonElement value, Func<JsonElement, bool> isNeutral) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(isNeutral);
}
