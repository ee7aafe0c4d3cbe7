using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class RandomStreamTests
{
    // The known answers published with Random123 (kat_vectors, philox4x32 10).
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Philox_KnownInput_GivesKnownAnswer(
        uint x0, uint x1, uint x2, uint x3, uint key0, uint key1, uint y0, uint y1, uint y2, uint y3) =>
        Assert.Equal((y0, y1, y2, y3), RandomStream.Philox(x0, x1, x2, x3, key0, key1));

    [Fact]
    public void At_EachPartOfTheKey_ChangesTheNumber()
    {
        double[] numbers =
        [
            new RandomStream(1, 0).At(0), new RandomStream(2, 0).At(0), new RandomStream(1L << 32, 0).At(0), new RandomStream(-1, 0).At(0),
            new RandomStream(1, 1).At(0), new RandomStream(1, 0).At(1), new RandomStream(1, 0).At(1L << 32),
        ];

        Assert.Equal(numbers.Length, numbers.Distinct().Count());
    }

    [Fact]
    public void At_NeighbouringSequencesAndPositions_AreUniformAndUncorrelated()
    {
        const int Side = 400;
        const long Seed = 11;
        double sum = 0, alongPositions = 0, alongSequences = 0;
        for (int sequence = 0; sequence < Side; sequence++)
        {
            for (int position = 0; position < Side; position++)
            {
                double x = new RandomStream(Seed, sequence).At(position) - 0.5;
                sum += x;
                alongPositions += x * (new RandomStream(Seed, sequence).At(position + 1) - 0.5);
                alongSequences += x * (new RandomStream(Seed, sequence + 1).At(position) - 0.5);
            }
        }

        // Standard deviations of the means over 160,000: sqrt(1/12) / 400 and (1/12) / 400; six of them.
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {Seed}: {sum} {alongPositions} {alongSequences}");
        double n = Side * Side;
        Assert.InRange(sum / n, -6 * 7.22e-4, 6 * 7.22e-4);
        Assert.InRange(alongPositions / n, -6 * 2.08e-4, 6 * 2.08e-4);
        Assert.InRange(alongSequences / n, -6 * 2.08e-4, 6 * 2.08e-4);
    }
}
