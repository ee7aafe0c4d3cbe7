using FlexKernel.Kernels;
using FlexKernel.Training.Optimizers;
using Xunit;

namespace FlexKernel.Training.Tests;

public sealed class OptimizerTests
{
    [Fact]
    public void Schedule_Linear_GoesStraightDown()
    {
        LearningRateSchedule schedule = new() { Peak = 2, Steps = 10, WarmupSteps = 2, FinalFraction = 0.5, Decay = RateDecay.Linear };

        Assert.Equal([1, 2, 1.875, 1.5, 1], Rates(schedule, 1, 2, 3, 6, 10));
    }

    [Fact]
    public void Schedule_WarmupStableDecay_HoldsThePeak()
    {
        LearningRateSchedule schedule = new() { Peak = 2, Steps = 10, WarmupSteps = 2, Decay = RateDecay.WarmupStableDecay, DecaySteps = 4 };

        Assert.Equal([1, 2, 2, 2, 1.5, 1, 0], Rates(schedule, 1, 2, 5, 6, 7, 8, 10));
    }

    [Fact]
    public void Schedule_DecayLongerThanTheRun_Throws()
    {
        LearningRateSchedule schedule = new() { Peak = 2, Steps = 10, WarmupSteps = 8, Decay = RateDecay.WarmupStableDecay, DecaySteps = 4 };

        Assert.Throws<InvalidOperationException>(() => schedule.At(1));
    }

    [Fact]
    public void Clip_LongGradient_GetsTheLimit()
    {
        using Parameter parameter = new("p", [1, 2], [0f, 0f]);
        (parameter.Gradient.Row(0)[0], parameter.Gradient.Row(0)[1]) = (3f, 4f);

        Assert.Equal(5, GradientNorm.Clip([parameter], double.PositiveInfinity));
        Assert.Equal([3f, 4f], parameter.GradientToArray());
        Assert.Equal(5, GradientNorm.Clip([parameter], 2.5));
        Assert.Equal(2.5, GradientNorm.Clip([parameter], double.PositiveInfinity), 1e-5);
    }

    [Fact]
    public void Update_FrozenParameter_Throws()
    {
        using Parameter parameter = new("p", [1, 2], [0f, 0f]) { IsTrainable = false };

        Assert.Throws<ArgumentException>(() => new AdamW().Update(parameter, 1, 0.1, 0));
    }

    [Fact]
    public void Muon_VectorOrSomeRows_Throws()
    {
        using TrainingKernels kernels = TrainingKernels.Create(KernelPath.Scalar, 1);
        Muon muon = new(kernels, 0.95, nesterov: true, MuonScale.Original, 1e-7);
        using Parameter vector = new("v", [2], [0f, 0f]), matrix = new("m", [2, 2], [0f, 0f, 0f, 0f]) { TrainableRows = 1..2 };

        Assert.Throws<ArgumentException>(() => muon.Update(vector, 1, 0.1, 0));
        Assert.Throws<ArgumentException>(() => muon.Update(matrix, 1, 0.1, 0));
    }

    [Theory]
    [InlineData(37, 45)]
    [InlineData(1, 7)]
    [InlineData(3, 64)]
    public void AdamWAndClip_EveryPathAndThreadCount_HaveTheSameBits(int rows, int columns)
    {
        (float[] Values, double Norm) expected = Move(KernelPath.Scalar, 1);

        Assert.All(KernelPaths.All.ToArray().Where(KernelPaths.IsSupported).SelectMany(_ => Enumerable.Range(1, 3), (path, threads) => Move(path, threads)), actual =>
        {
            Assert.Equal(expected.Values, actual.Values);
            Assert.Equal(expected.Norm, actual.Norm);
        });

        (float[] Values, double Norm) Move(KernelPath path, int threads)
        {
            using TrainingKernels kernels = TrainingKernels.Create(path, threads);
            Random random = new(5);
            float[] Values() => [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.5))];
            using Parameter parameter = new("p", [rows, columns], Values()) { Kernels = kernels };
            AdamW rule = new();
            double norm = 0;
            for (int step = 1; step <= 3; step++)
            {
                for (int row = 0; row < rows; row++)
                {
                    Values().AsSpan(0, columns).CopyTo(parameter.Gradient.Row(row));
                }

                norm += GradientNorm.Clip([parameter], 0.7);
                rule.Update(parameter, step, 0.01, 0.1);
            }

            return (parameter.ToArray(), norm);
        }
    }

    private static double[] Rates(LearningRateSchedule schedule, params int[] steps) => Array.ConvertAll(steps, schedule.At);
}
