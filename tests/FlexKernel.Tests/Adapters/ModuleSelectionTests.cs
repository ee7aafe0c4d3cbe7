using FlexKernel.Adapters;
using Xunit;

namespace FlexKernel.Tests.Adapters;

public sealed class ModuleSelectionTests
{
    [Theory]
    [InlineData("q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("self_attn.q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("proj", "model.layers.0.self_attn.q_proj", false)]
    [InlineData("q_proj", "model.layers.0.self_attn.q_proj_a", false)]
    [InlineData("q_proj", "q_proj", true)]
    [InlineData("q_proj", "xq_proj", false)]
    [InlineData("Q_proj", "model.layers.0.self_attn.q_proj", false)]
    [InlineData("q.proj", "model.layers.0.self_attn.q_proj", false)]
    [InlineData("model.layers.0.self_attn.q_proj", "q_proj", false)]
    public void Matches_Name_IsTheWholeOrTheEndBehindADot(string name, string module, bool expected) =>
        Assert.Equal(expected, ModuleSelection.OfNames("other", name).Matches(module));

    [Theory]
    [InlineData(@".*\.q_proj", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("q_proj", "model.layers.0.self_attn.q_proj", false)]
    [InlineData(@".*\.[qv]_pro", "model.layers.0.self_attn.q_proj", false)]
    [InlineData(@"a|model\.layers\.1\..*", "model.layers.1.mlp.up_proj", true)]
    [InlineData(@"a|model\.layers\.1\..*", "model.layers.10.mlp.up_proj", false)]
    [InlineData(@"^(?!.*vision).*\.up_proj$", "model.layers.1.mlp.up_proj", true)]
    [InlineData(@".*\.Q_PROJ", "model.layers.0.self_attn.q_proj", false)]
    public void Matches_Pattern_MatchesTheWholeName(string pattern, string module, bool expected) =>
        Assert.Equal(expected, ModuleSelection.OfPattern(pattern).Matches(module));

    [Theory]
    [InlineData("layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj", true)]
    [InlineData("up_proj", "model.layers.1.mlp.up_proj", true)]
    [InlineData("p_proj", "model.layers.1.mlp.up_proj", false)]
    [InlineData("^model.layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj", true)]
    [InlineData(@".*\.1\..*", "model.layers.1.mlp.up_proj", true)]
    [InlineData("up|down_proj", "model.layers.1.mlp.down_proj", true)]
    [InlineData("mlp.up", "model.layers.1.mlp.up_proj", false)]
    public void Suffix_KeyOfAPattern_MatchesFromTheBeginningOrADotToTheEnd(string key, string module, bool expected) =>
        Assert.Equal(expected, ModuleSelection.Suffix(key).IsMatch(module));

    [Fact]
    public void OfPattern_AllLinear_InAnyCase()
    {
        Assert.Same(ModuleSelection.AllLinear, ModuleSelection.OfPattern("All-Linear"));
        Assert.False(ModuleSelection.AllLinear.Matches("all-linear"));
    }

    [Fact]
    public void OfNames_NoneOrEmpty_IsAnError()
    {
        Assert.Throws<ArgumentException>(() => ModuleSelection.OfNames());
        Assert.Throws<ArgumentException>(() => ModuleSelection.OfNames("a", ""));
        Assert.ThrowsAny<ArgumentException>(() => ModuleSelection.OfPattern("(a"));
    }
}
