using FlexKernel.Embeddings;
using FlexKernel.Model;
using FlexKernel.Tests;
using FlexKernel.Training.Optimizers;
using FlexKernel.Training.Recipes;
using FlexKernel.Training.Runs;
using Xunit;

namespace FlexKernel.Training.Tests.Runs;

public sealed class RunPartsTests
{
    [Fact]
    public void Trend_SteadyLossAndNoise_IsNoSpike()
    {
        LossTrend trend = new();
        Random random = new(1);
        for (int i = 0; i < 200; i++)
        {
            double loss = 3 + 0.2 * (random.NextDouble() - 0.5);
            Assert.False(trend.IsSpike(loss, 1, 8));
            trend = trend.With(loss);
        }

        Assert.Equal(3, trend.Mean, 0.05);
        Assert.True(trend.IsSpike(4, 1, 8));
        Assert.False(trend.IsSpike(4, 1, 0));
        Assert.True(trend.IsSpike(double.NaN, 1, 0));
        Assert.True(trend.IsSpike(3, double.PositiveInfinity, 0));
    }

    [Fact]
    public void Trend_FirstLosses_AreNeverASpike()
    {
        LossTrend trend = new LossTrend().With(1).With(1).With(1);

        Assert.False(trend.IsSpike(100, 1, 8));
    }

    [Fact]
    public void Log_OpenedAtAStep_DropsLaterAndBrokenLines()
    {
        using TemporaryDirectory directory = new();
        directory.Write("log.jsonl", """
            {"step":0,"bits_per_byte":3,"bytes":10}
            {"step":1,"loss":5}
            {"step":2,"loss":4}
            {"step":3,"loss":3}
            {"step":4,"lo
            """u8);

        using (TrainingLog log = TrainingLog.Open(directory["log.jsonl"], step: 2))
        {
            Assert.Equal([new LogPoint(1, 5), new LogPoint(2, 4)], log.Steps);
            Assert.Equal([new LogPoint(0, 3)], log.Validations);
            log.Event(2, "back");
        }

        string[] lines = File.ReadAllLines(directory["log.jsonl"]);
        Assert.Equal(4, lines.Length);
        Assert.Equal("""{"step":2,"event":"back"}""", lines[^1]);
    }

    [Fact]
    public void Store_ManyCheckpoints_KeepsTheLastThreeAndTheBest()
    {
        using TemporaryDirectory directory = new();
        ParameterGroup[] groups = [new([new Parameter("w", [2], [1f, 2f])], new AdamW())];
        CheckpointStore store = new(directory.Path, reached: null);
        for (int step = 0; step < 8; step++)
        {
            store.Save(groups, new RunState { Step = step, BestStep = Math.Min(step, 2), BestBitsPerByte = 1 });
        }

        string[] names = [.. Directory.EnumerateDirectories(directory.Path).Select(Path.GetFileName).Order()!];
        Assert.Equal(["step-00000002", "step-00000005", "step-00000006", "step-00000007"], names);
    }

    [Fact]
    public void RouterRows_OfExpert_LieAMarginAboveThePublicOnes()
    {
        float[][] means = [[1, 2, 2], [0, 3, 4]], publicRows = [[0.5f, 0, 0.25f], [1, 1, 0]];

        float[][] own = RouterRows.OfExpert(means, publicRows), general = RouterRows.OfPublic(means);

        for (int layer = 0; layer < 2; layer++)
        {
            Assert.Equal(Dot(means[layer], publicRows[layer]) + 1, Dot(means[layer], own[layer]), 1e-5);
            Assert.Equal(6, Dot(means[layer], general[layer]), 1e-5);
        }
    }

    [Fact]
    public void RouterRows_Read_OneVectorOrOnePerLayer()
    {
        using TemporaryDirectory directory = new();
        using TinyRun run = new();
        ModelDescription model = ModelConfigReader.Read(Path.Combine(run.WriteModel(), "config.json"));
        float[] first = [.. Enumerable.Range(0, 32).Select(i => (float)i)], second = [.. first.Select(value => -value)];
        NpyFile.Write(directory["one.npy"], [first], 32);
        NpyFile.Write(directory["two.npy"], [first, second], 2, 32);
        NpyFile.Write(directory["wrong.npy"], [first], 4, 8);
        directory.Write("broken.npy", "no array"u8);

        Assert.Equal([first, first], RouterRows.Read(directory["one.npy"], model));
        Assert.Equal([first, second], RouterRows.Read(directory["two.npy"], model));
        Assert.Contains("(32,) or (2, 32), found (4, 8)", Assert.Throws<RunException>(() => RouterRows.Read(directory["wrong.npy"], model)).Message, StringComparison.Ordinal);
        Assert.Contains("broken.npy", Assert.Throws<RunException>(() => RouterRows.Read(directory["broken.npy"], model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hybrid_StartsEqualToItsPublicModel()
    {
        using TinyRun run = new();
        run.DefineExpert(rank: 4, OptimizerKind.AdamW);
        using TrainableModel model = TrainableModel.Load(run["model"], new TrainingOptions()), hybrid = TrainableModel.Load(run["run/start"], new TrainingOptions());
        TrainingSequence text = TrainingSequence.Next([5, 6, 7, 8, 9]);

        Assert.Equal(model.ComputeLoss([text], new LossWeights()).Loss, hybrid.ComputeLoss([text], new LossWeights()).Loss, 1e-5);
        Assert.Equal(model["model.layers.0.mlp.up_proj.weight"].ComputeSha256(), hybrid["model.layers.0.mlp.experts.0.up_proj.weight"].ComputeSha256());
    }

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
