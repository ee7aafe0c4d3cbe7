using FlexKernel.Generation;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Generation;

public sealed class DraftPacingTests
{
    private static readonly RoutingPolicy Draft = new([0], 1);
    private static readonly RoutingPolicy All = new([0, 1, 2, 3, 4, 5, 6], 7);

    // Seven full experts, all of them active: a plain pass reads seven times what the draft reads of the experts.
    private static readonly ModelDescription Full = ToyModel.Description with
    {
        IntermediateSize = 4000,
        Mixture = MixtureDescription.Create("full", 7, false, [0, 0, 0, 0, 0, 0, 0]),
    };

    // Experts of rank 1 on the public one: a plain pass reads hardly more than the draft.
    private static readonly ModelDescription LowRank = Full with { Mixture = MixtureDescription.Create("low", 7, false, [0, 1, 1, 1, 1, 1, 1]) };

    [Fact]
    public void Next_ThreeOfFourAccepted_GoesOnForFullExpertsOnly()
    {
        DraftPacing full = new(4, true, Full, All, Draft), lowRank = new(4, true, LowRank, All, Draft);
        for (int round = 0; round < 3 * DraftPacing.Window; round++)
        {
            Assert.Equal(4, full.Next());
            full.Settle(4, 3);
        }

        for (int round = 0; round < DraftPacing.Window; round++)
        {
            Assert.Equal(4, lowRank.Next());
            lowRank.Settle(4, 3);
        }

        Assert.Equal(0, lowRank.Next());
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void Next_FullExperts_GoesOnWhereARoundPays(int accepted, bool paid)
    {
        DraftPacing pacing = new(4, true, Full, All, Draft);

        // 4 drafts of about 1/7 and a pass: 1.6 tokens.
        Assert.Equal(paid, AfterWindow(pacing, accepted) == 4);
    }

    [Fact]
    public void Next_Losses_PauseTwiceAsLongEachTimeUntilARoundPays()
    {
        DraftPacing pacing = new(4, true, Full, All, Draft);
        foreach (int pause in (int[])[32, 64, 128, 256, 512, 1024, 1024])
        {
            int first = AfterWindow(pacing, accepted: 0), plain = 1;
            while (pacing.Next() == 0)
            {
                pacing.Settle(0, 0);
                plain++;
            }

            Assert.Equal((0, pause), (first, plain));
        }

        Assert.Equal(4, AfterWindow(pacing, accepted: 4));
        Assert.Equal(0, AfterWindow(pacing, accepted: 0));
        Assert.Equal(DraftPacing.FirstPause - 1, Enumerable.Range(0, 2000).TakeWhile(_ => pacing.Next() == 0).Count());
    }

    [Fact]
    public void Next_NotWhileItPays_NeverPauses()
    {
        DraftPacing pacing = new(3, false, LowRank, All, Draft);

        Assert.Equal(3, AfterWindow(pacing, accepted: 0));
    }

    private static int AfterWindow(DraftPacing pacing, int accepted)
    {
        for (int round = 0; round < DraftPacing.Window; round++)
        {
            pacing.Settle(4, accepted);
        }

        return pacing.Next();
    }
}
