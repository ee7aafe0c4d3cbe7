using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Tests.Model;

/// <summary>A small random mixture with everything in it: two full roots, low-rank experts on both, a chain, grouped-query attention.</summary>
internal static class ToyModel
{
    public static ModelDescription Description { get; } = new()
    {
        ModelType = "flex_more",
        VocabularySize = 130,
        HiddenSize = 48,
        IntermediateSize = 100,
        LayerCount = 2,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadDimension = 12,
        MaxPositions = 512,
        NormPlacement = NormPlacement.AfterBlock,
        QueryKeyNorm = true,
        NormEpsilon = 1e-6f,
        Rope = new RopeDescription { Theta = 10000 },
        Mixture = MixtureDescription.Create("toy", 3, false, [0, 4, 0, 8, 3, 40], bases: [0, 0, 2, 2, 1, 0]),
    };

    public static ModelWeights Weights(WeightFormat format) => RandomWeights.Create(Description, format, seed: 7);

    /// <summary>The tokens of one of the test's sequences; lengths from 1 to 270, so that cache blocks and softmax chunks are crossed.</summary>
    public static int[] Tokens(int sequence)
    {
        int length = sequence == 0 ? 270 : 1 + sequence * 29 % 41;
        return [.. Enumerable.Range(0, length).Select(i => (sequence * 131 + i * 37 + i * i * 11) % Description.VocabularySize)];
    }
}
