using FlexKernel.Adapters;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Adapters;

public sealed class AdapterTargetsTests
{
    private static readonly ModelDescription Dense = Model("training/peft"), Mixture = Model("training/gradients/flex_more");

    /// <summary>Selection, excluded, saved, layers; whether of the mixture (layers of 5 experts, three low-rank); updates and saved tensors.</summary>
    public static TheoryData<string, string?, string[], int[], bool, int, int> Choices => new()
    {
        { "q_proj", null, [], [], false, 2, 0 },
        { "q_proj,v_proj", null, [], [1], false, 2, 0 },
        { "model.layers.0.self_attn.q_proj,v_proj", null, [], [1], false, 2, 0 },
        { "q_proj,v_proj", "layers.1.self_attn.v_proj", [], [], false, 3, 0 },
        { "all-linear", null, [], [], false, 14, 0 },
        { "all-linear", null, [], [1], false, 7, 0 },
        { "all-linear", null, ["lm_head", "norm"], [], false, 14, 10 },
        { "q_proj,up_proj", null, ["up_proj"], [], false, 2, 2 },
        { "q_proj,up_proj", null, ["mlp"], [], false, 2, 6 },
        { "lm_head,k_proj", null, [], [], false, 3, 0 },
        { "gate_proj", null, [], [], true, 4, 0 },
        { "gate", null, [], [], true, 2, 0 },
        { "experts.1.down_proj_a", null, ["gate"], [], true, 2, 2 },
        { "all-linear", null, [], [], true, 56, 0 },
        { @"/.*\.experts\.[01]\..*(?<!_b)", null, [], [], true, 12, 0 },
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public void Of_Selection_FindsUpdatesAndSavedTensors(
        string selection, string? excluded, string[] saved, int[] layers, bool isMixture, int updates, int savedTensors)
    {
        AdapterConfig config = Config(selection) with
        {
            ExcludedModules = excluded is null ? null : ModuleSelection.OfNames(excluded),
            SavedModules = [.. saved],
            Layers = [.. layers],
        };

        AdapterTargets targets = AdapterTargets.Of(config, isMixture ? Mixture : Dense, "a.json");

        Assert.Equal((updates, savedTensors), (targets.Updates.Length, targets.Saved.Length));
    }

    [Fact]
    public void Of_LowRankExpert_HasItsFactorsAsMatrices()
    {
        AdapterTarget[] targets = [.. AdapterTargets.Of(Config("experts.1.down_proj_a,experts.1.down_proj_b"), Mixture, "a.json").Updates];

        Assert.Equal("model.layers.0.mlp.experts.1.down_proj_a", targets[0].Module);
        Assert.Equal([4L, Mixture.IntermediateSize], targets[0].Weight.Shape);
        Assert.Equal(
            ["base_model.model.model.layers.0.mlp.experts.1.down_proj_b.lora_A.weight", "base_model.model.model.layers.0.mlp.experts.1.down_proj_b.lora_B.weight"],
            targets[1].Factors.Select(factor => factor.Name));
        Assert.Equal([[2L, 4L], [Mixture.HiddenSize, 2L]], targets[1].Factors.Select(factor => factor.Shape.ToArray()));
    }

    [Theory]
    [InlineData("embed_tokens", "that multiply by a matrix", "model.embed_tokens")]
    [InlineData("q_norm", "that multiply by a matrix", "model.layers.0.self_attn.q_norm")]
    [InlineData("mlp", "that multiply by a matrix", "model.layers.0.mlp")]
    [InlineData("/.*self_attn.*", "that multiply by a matrix", "model.layers.0.self_attn")]
    [InlineData("c_attn,c_proj", "modules of the model (olmo2)", "'c_attn', 'c_proj'")]
    [InlineData("/(.*.*)*x", "a second", "(.*.*)*x")]
    public void Of_WhatCannotBeAdapted_IsAnError(string selection, string expected, string found)
    {
        ModelConfigException error = Assert.Throws<ModelConfigException>(() => AdapterTargets.Of(Config(selection), Dense, "dir/a.json"));

        Assert.Contains("dir/a.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains(found, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RequireEveryName_Misspelt_NamesIt()
    {
        AdapterConfig targets = Config("q_proj,w_proj"), saved = Config("q_proj") with { SavedModules = ["lm_head", "lm_heat"] };

        ModelConfigException first = Assert.Throws<ModelConfigException>(() => AdapterTargets.Of(targets, Dense, "a").RequireEveryName(targets, "a"));
        ModelConfigException second = Assert.Throws<ModelConfigException>(() => AdapterTargets.Of(saved, Dense, "a").RequireEveryName(saved, "a"));

        Assert.Equal(("target_modules", "modules_to_save"), (first.Key, second.Key));
        Assert.Contains("'w_proj'", first.Message, StringComparison.Ordinal);
        Assert.Contains("'lm_heat'", second.Message, StringComparison.Ordinal);
    }

    // A slash marks a regular expression.
    private static AdapterConfig Config(string selection) => new()
    {
        TargetModules = selection == "all-linear" ? ModuleSelection.AllLinear
            : selection.StartsWith('/') ? ModuleSelection.OfPattern(selection[1..])
            : ModuleSelection.OfNames(selection.Split(',')),
        Rank = 2,
        Alpha = 4,
    };

    private static ModelDescription Model(string fixture) => ModelConfigReader.Read(TestData.Fixture($"{fixture}/config.json"));
}
