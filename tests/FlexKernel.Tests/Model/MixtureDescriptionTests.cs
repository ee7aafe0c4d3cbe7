using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class MixtureDescriptionTests
{
    [Fact]
    public void Create_OnlyRanks_UsesScaleOneBaseZeroAndIndexNames()
    {
        MixtureDescription mixture = MixtureDescription.Create("m", 2, true, [0, 5]);

        Assert.Equal((2, 2, true), (mixture.Count, mixture.ActiveExperts, mixture.Renormalise));
        Assert.Equal(new ExpertDescription { Index = 1, Name = "1", Rank = 5, Scale = 1, Base = 0, Root = 0 }, mixture.Experts[1]);
    }

    [Fact]
    public void Create_AlphaZeroOrNegative_IsAScale()
    {
        MixtureDescription mixture = MixtureDescription.Create("m", 1, false, [0, 4, 4], [0, 0, -2]);

        Assert.Equal([1f, 0f, -0.5f], mixture.Experts.Select(e => e.Scale));
    }

    [Fact]
    public void Create_NoExperts_IsAnErrorThatNamesTheSource()
    {
        ModelConfigException e = Assert.Throws<ModelConfigException>(() => MixtureDescription.Create("merge", 1, false, []));

        Assert.Equal(("merge", "num_experts"), (e.File, e.Key));
    }

    [Fact]
    public void Equals_OtherOrderOfExperts_IsFalse()
    {
        MixtureDescription a = MixtureDescription.Create("m", 1, false, [0, 4]);

        Assert.Equal(a, MixtureDescription.Create("m", 1, false, [0, 4]));
        Assert.NotEqual(a, a with { Experts = [a.Experts[1], a.Experts[0]] });
        Assert.NotEqual(a, a with { Renormalise = true });
    }
}
