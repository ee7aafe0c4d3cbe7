using System.Collections.Immutable;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ModelDescriptionTests
{
    private static readonly ModelDescription Model = ModelFixtures.Read("flexmore-chained");

    // One change per settable property; the count below fails when a property is added and forgotten here and in Equals.
    private static readonly ModelDescription[] Changes =
    [
        Model with { ModelType = "x" },
        Model with { VocabularySize = 1 },
        Model with { HiddenSize = 1 },
        Model with { IntermediateSize = 1 },
        Model with { LayerCount = 1 },
        Model with { HeadCount = 1 },
        Model with { KeyValueHeadCount = 1 },
        Model with { HeadDimension = 2 },
        Model with { MaxPositions = 1 },
        Model with { NormPlacement = NormPlacement.BeforeBlock },
        Model with { QueryKeyNorm = false },
        Model with { ClipQkv = 1 },
        Model with { SlidingWindow = 1 },
        Model with { AttentionBias = true },
        Model with { FeedForwardBias = true },
        Model with { NormEpsilon = 1 },
        Model with { Rope = Model.Rope with { Theta = 7 } },
        Model with { TieEmbeddings = true },
        Model with { Mixture = Model.Mixture! with { Experts = Rescale(Model.Mixture.Experts) } },
        Model with { EndOfSequenceIds = [3] },
        Model with { BeginOfSequenceId = 1 },
        Model with { PaddingId = 2 },
        Model with { StoredType = "x" },
    ];

    [Fact]
    public void Equals_AnyPropertyChanged_IsFalse()
    {
        Assert.Equal(typeof(ModelDescription).GetProperties().Count(p => p.CanWrite), Changes.Length);
        Assert.All(Changes, changed => Assert.NotEqual(Model, changed));
    }

    [Fact]
    public void Equals_RebuiltLists_IsTrue() => Assert.Equal(Model, Model with
    {
        EndOfSequenceIds = [.. Model.EndOfSequenceIds],
        Mixture = Model.Mixture! with { Experts = [.. Model.Mixture.Experts] },
    });

    [Fact]
    public void Widths_AreHeadsTimesDimension() => Assert.Equal((64, 32), (Model.QueryWidth, Model.KeyValueWidth));

    private static ImmutableArray<ExpertDescription> Rescale(ImmutableArray<ExpertDescription> experts) =>
        experts.SetItem(1, experts[1] with { Scale = 9 });
}
