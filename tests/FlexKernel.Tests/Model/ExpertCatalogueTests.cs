using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ExpertCatalogueTests
{
    private static readonly ExpertCatalogue Tiny = ExpertCatalogue.Of(ModelFixtures.Read("tiny-mixture"), "tiny/model.safetensors");

    [Theory]
    [InlineData("legal", 3)]
    [InlineData("3", 3)]
    [InlineData("public", 0)]
    public void Item_NameOrIndex_FindsTheExpert(string nameOrIndex, int expected) =>
        Assert.Equal(expected, Tiny[nameOrIndex].Expert.Index);

    [Theory]
    [InlineData("Legal")]
    [InlineData("6")]
    [InlineData("+3")]
    [InlineData("")]
    public void TryFind_Unknown_IsFalse(string nameOrIndex)
    {
        Assert.False(Tiny.TryFind(nameOrIndex, out _));
        Assert.Contains("public, code", Assert.Throws<ArgumentException>(() => Tiny[nameOrIndex]).Message, StringComparison.Ordinal);
    }

    // Full: 3·256·704·4 layers; rank 64: 3·64·(256 + 704)·4.
    [Theory]
    [InlineData("public", 2162688, 8650752, 4325376)]
    [InlineData("danish", 737280, 2949120, 1474560)]
    public void Entry_GivesItsSize(string name, long parameters, long asFloat32, long asBfloat16)
    {
        CatalogueEntry entry = Tiny[name];

        Assert.Equal((parameters, asFloat32, asBfloat16), (entry.Parameters, entry.Bytes(32), entry.Bytes(16)));
        Assert.Throws<ArgumentOutOfRangeException>(() => entry.Bytes(0));
    }

    [Fact]
    public void Entry_GivesItsOrigin()
    {
        Assert.Equal("tiny/model.safetensors: model.layers.*.mlp.experts.4", Tiny["danish"].Origin);
        Assert.Equal(
            "model.layers.*.block_sparse_moe.experts.1", ExpertCatalogue.Of(ModelFixtures.Read("mixtral")).Entries[1].Origin);
    }

    [Fact]
    public void Of_DenseModel_IsEmpty() => Assert.Equal(0, ExpertCatalogue.Of(ModelFixtures.Read("olmo2")).Count);
}
