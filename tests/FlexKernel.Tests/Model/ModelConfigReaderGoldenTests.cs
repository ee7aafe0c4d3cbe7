using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Every golden configuration reads to the values that the case tables state.</summary>
public sealed class ModelConfigReaderGoldenTests
{
    // V, d, h, L, Hq, Hkv, D, E, k as the table of the golden models lists them; 0 experts: dense.
    [Theory]
    [InlineData("flexmore-mixed", "flex_more", 160, 48, 60, 2, 4, 4, 12, 6, 2)]
    [InlineData("flexmore-mixed/dense", "flex_olmo", 160, 48, 60, 2, 4, 4, 12, 6, 2)]
    [InlineData("flexmore-chained", "flex_more", 144, 40, 100, 3, 4, 2, 16, 6, 3)]
    [InlineData("flexmore-overrank", "flex_more", 128, 32, 48, 2, 4, 2, 8, 3, 2)]
    [InlineData("flexmore-bf16", "flex_more", 128, 32, 44, 2, 4, 4, 8, 4, 2)]
    [InlineData("flexmore-f16", "flex_more", 128, 32, 44, 2, 4, 4, 8, 4, 2)]
    [InlineData("flexolmo-e2", "flex_olmo", 128, 32, 44, 2, 4, 4, 8, 2, 2)]
    [InlineData("flexolmo-e3-gqa", "flex_olmo", 200, 72, 100, 2, 6, 2, 12, 3, 2)]
    [InlineData("flexolmo-e7-allk", "flex_olmo", 128, 40, 52, 3, 4, 4, 10, 7, 7)]
    [InlineData("flexolmo-headdim-fused", "flex_olmo", 136, 48, 40, 2, 3, 1, 24, 4, 2)]
    [InlineData("flexolmo-headdim-fused/fused", "flex_olmo", 136, 48, 40, 2, 3, 1, 24, 4, 2)]
    [InlineData("flexolmo-subsets", "flex_olmo", 128, 32, 36, 2, 4, 4, 8, 6, 3)]
    [InlineData("flexolmo-eps", "flex_olmo", 128, 32, 44, 2, 4, 2, 8, 4, 2)]
    [InlineData("olmo2", "olmo2", 160, 48, 100, 3, 4, 2, 12, 0, 0)]
    [InlineData("olmoe", "olmoe", 144, 40, 36, 2, 4, 2, 10, 6, 2)]
    [InlineData("llama-rope", "llama", 160, 48, 100, 2, 6, 3, 8, 0, 0)]
    [InlineData("llama-bias", "llama", 128, 36, 50, 2, 3, 3, 10, 0, 0)]
    [InlineData("mixtral", "mixtral", 128, 40, 44, 2, 4, 2, 10, 4, 2)]
    [InlineData("tiny-mixture", "flex_more", 8192, 256, 704, 4, 4, 4, 64, 6, 2)]
    public void Read_GoldenConfig_GivesSizes(
        string name, string type, int v, int d, int h, int layers, int heads, int keyValueHeads, int headDimension, int experts, int k)
    {
        ModelDescription model = ModelFixtures.Read(name);

        Assert.Equal(type, model.ModelType);
        Assert.Equal(
            (v, d, h, layers),
            (model.VocabularySize, model.HiddenSize, model.IntermediateSize, model.LayerCount));
        Assert.Equal((heads, keyValueHeads, headDimension), (model.HeadCount, model.KeyValueHeadCount, model.HeadDimension));
        Assert.Equal((experts, k), (model.Mixture?.Count ?? 0, model.Mixture?.ActiveExperts ?? 0));
    }

    [Theory]
    [InlineData("flexmore-mixed", NormPlacement.AfterBlock, true, 500000, 1e-6f, false, false, 256)]
    [InlineData("flexmore-chained", NormPlacement.AfterBlock, true, 10000, 1e-5f, false, true, 256)]
    [InlineData("flexmore-overrank", NormPlacement.AfterBlock, true, 500000, 1e-6f, true, true, 256)]
    [InlineData("flexolmo-e2", NormPlacement.AfterBlock, true, 500000, 1e-6f, false, false, 256)]
    [InlineData("flexolmo-e3-gqa", NormPlacement.AfterBlock, true, 10000, 1e-5f, true, true, 256)]
    [InlineData("flexolmo-eps", NormPlacement.AfterBlock, true, 10000, 1e-5f, false, false, 256)]
    [InlineData("olmo2", NormPlacement.AfterBlock, true, 500000, 1e-6f, false, false, 256)]
    [InlineData("olmoe", NormPlacement.BeforeBlock, true, 10000, 1e-5f, false, false, 256)]
    [InlineData("llama-rope", NormPlacement.BeforeBlock, false, 10000, 1e-5f, false, false, 256)]
    [InlineData("llama-bias", NormPlacement.BeforeBlock, false, 500000, 1e-6f, true, false, 256)]
    [InlineData("mixtral", NormPlacement.BeforeBlock, false, 1000000, 1e-5f, false, true, 256)]
    [InlineData("tiny-mixture", NormPlacement.AfterBlock, true, 10000, 1e-6f, false, false, 1024)]
    public void Read_GoldenConfig_GivesOptions(
        string name, NormPlacement placement, bool norm, double theta, float epsilon, bool tied, bool renormalise, int positions)
    {
        ModelDescription model = ModelFixtures.Read(name);

        Assert.Equal((placement, norm), (model.NormPlacement, model.QueryKeyNorm));
        Assert.Equal((theta, epsilon), (model.Rope.Theta, model.NormEpsilon));
        Assert.Equal((tied, renormalise), (model.TieEmbeddings, model.Mixture?.Renormalise ?? false));
        Assert.Equal(positions, model.MaxPositions);
        Assert.Null(model.ClipQkv);
    }

    [Theory]
    [InlineData("llama-bias", true, true)]
    [InlineData("llama-rope", false, false)]
    [InlineData("olmo2", false, false)]
    public void Read_BiasKeys_AreObeyed(string name, bool attention, bool feedForward)
    {
        ModelDescription model = ModelFixtures.Read(name);

        Assert.Equal((attention, feedForward), (model.AttentionBias, model.FeedForwardBias));
    }

    [Fact]
    public void Read_ChainedExperts_GivesRanksScalesBasesAndRoots()
    {
        MixtureDescription mixture = ModelFixtures.Read("flexmore-chained").Mixture!;

        Assert.Equal([0, 3, 2, 0, 5, 4], mixture.Experts.Select(e => e.Rank));
        Assert.Equal([1f, 2f, 0.5f, 1f, 2f, 1f], mixture.Experts.Select(e => e.Scale));
        Assert.Equal([0, 0, 1, 3, 3, 2], mixture.Experts.Select(e => e.Base));
        Assert.Equal([0, 0, 0, 3, 3, 0], mixture.Experts.Select(e => e.Root));
        Assert.Equal([true, false, false, true, false, false], mixture.Experts.Select(e => e.IsFull));
        Assert.Equal(["0", "1", "2", "3", "4", "5"], mixture.Experts.Select(e => e.Name));
    }

    [Fact]
    public void Read_RanksWithoutAlphasAndBases_GivesScaleOneAndBaseZero()
    {
        MixtureDescription mixture = ModelFixtures.Read("flexmore-mixed").Mixture!;

        Assert.Equal([0, 4, 1, 8, 0, 3], mixture.Experts.Select(e => e.Rank));
        Assert.All(mixture.Experts, e => Assert.Equal(1f, e.Scale));
        Assert.Equal([0, 0, 0, 0, 4, 0], mixture.Experts.Select(e => e.Base));
        Assert.Equal([0, 0, 0, 0, 4, 0], mixture.Experts.Select(e => e.Root));
    }

    [Fact]
    public void Read_ExpertNames_NamesTheExperts()
    {
        ModelDescription model = ModelFixtures.Read("tiny-mixture");

        Assert.Equal(["public", "code", "math", "legal", "danish", "medical"], model.Mixture!.Experts.Select(e => e.Name));
        Assert.Equal([0, 0, 0, 32, 64, 32], model.Mixture.Experts.Select(e => e.Rank));
        Assert.Equal([8171], model.EndOfSequenceIds);
        Assert.Equal(8191, model.PaddingId);
        Assert.Equal("bfloat16", model.StoredType);
    }

    [Theory]
    [InlineData("flexolmo-e2", "config.new_keys.json")]
    [InlineData("llama-rope", "config.old_keys.json")]
    [InlineData("flexmore-mixed", "config.flexmore.json")]
    [InlineData("flexolmo-headdim-fused", "fused/config.json")]
    public void Read_OtherFormOfTheConfig_GivesAnEqualDescription(string name, string other)
    {
        ModelDescription expected = ModelFixtures.Read(name), actual = ModelFixtures.Read(name, other);

        Assert.Equal(expected, actual);
        Assert.Equal(expected.GetHashCode(), actual.GetHashCode());
    }

    [Fact]
    public void Read_Llama3Scaling_GivesItsParameters() => Assert.Equal(
        new RopeDescription
        {
            Theta = 10000,
            Scaling = RopeScaling.Llama3,
            Factor = 8,
            LowFrequencyFactor = 1,
            HighFrequencyFactor = 4,
            OriginalMaxPositions = 128,
        },
        ModelFixtures.Read("llama-rope").Rope);

    // The overrides that the golden runs use.
    [Fact]
    public void Read_OverriddenActiveExpertsAndRenormalisation_AreObeyed()
    {
        MixtureDescription mixture = ModelFixtures.Read(
            "olmoe", overrides: """{"clip_qkv": 0.8, "norm_topk_prob": true, "num_experts_per_tok": 4}""").Mixture!;

        Assert.Equal((4, true), (mixture.ActiveExperts, mixture.Renormalise));
    }

    [Fact]
    public void Read_OverriddenClip_IsObeyedForOlmoe() =>
        Assert.Equal(0.8f, ModelFixtures.Read("olmoe", overrides: """{"clip_qkv": 0.8}""").ClipQkv);

    [Fact]
    public void Read_SlidingWindow_IsKept()
    {
        Assert.Null(ModelFixtures.Read("mixtral").SlidingWindow);
        Assert.Equal(4096, ModelFixtures.Read("mixtral", overrides: """{"sliding_window": 4096}""").SlidingWindow);
    }

    [Theory]
    [InlineData("config.json", """{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}""", RopeScaling.None, 1)]
    [InlineData("config.old_keys.json", """{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}""", RopeScaling.None, 1)]
    [InlineData("config.json", """{"rope_parameters": {"rope_type": "linear", "factor": 4.0}}""", RopeScaling.Linear, 4)]
    [InlineData("config.old_keys.json", """{"rope_scaling": {"type": "linear", "factor": 4.0}}""", RopeScaling.Linear, 4)]
    [InlineData("config.old_keys.json", """{"rope_scaling": null}""", RopeScaling.None, 1)]
    public void Read_OverriddenRope_ReplacesBothKeyStyles(string file, string overrides, RopeScaling scaling, double factor)
    {
        RopeDescription expected = new() { Theta = 10000, Scaling = scaling, Factor = factor };

        Assert.Equal(expected, ModelFixtures.Read("llama-rope", file, overrides).Rope);
    }
}
