using FlexKernel.Adapters;
using FlexKernel.Kernels;
using FlexKernel.Tests;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests;

/// <summary>Dropout of an adapter's inputs: <c>lora_dropout</c> of PEFT.</summary>
public sealed class DropoutTests
{
    private const string Dense = "training/peft", Mixture = "training/gradients/flex_more";
    private const double Probability = 0.25;

    private static readonly TrainingOptions Plain = new() { Path = KernelPath.Scalar, Threads = 1 };

    private static readonly LossWeights AllTerms = new() { Z = 1e-2, RouterZ = 1e-3, LoadBalance = 1e-2, RouterAuxiliary = 1e-2 };

    public static TheoryData<KernelPath, int, bool, string> Options
    {
        get
        {
            TheoryData<KernelPath, int, bool, string> data = [];
            foreach (string fixture in new[] { Dense, Mixture })
            {
                foreach (KernelPath path in KernelPaths.All)
                {
                    data.Add(path, 3, false, fixture);
                    data.Add(path, 1, true, fixture);
                }
            }

            return data;
        }
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    public void AddDropped_Rate_IsTheProbability_AndTheRestIsScaled(double probability)
    {
        const int Rows = 400, Columns = 1000;
        ulong[] keys = Keys(Rows, seed: 1), others = Keys(Rows, seed: 2);
        float[] first = Drop(keys, Columns, probability), second = Drop(others, Columns, probability);
        double deviation = Math.Sqrt(probability * (1 - probability) / first.Length), kept = 1 - probability;

        Assert.All(first, value => Assert.True(value == 0f || value == (float)(1 / (1 - probability))));
        Assert.InRange(first.Count(value => value == 0) / (double)first.Length, probability - 4 * deviation, probability + 4 * deviation);

        // Neither the masks of two sets of keys nor those of neighbours have anything in common.
        double both = first.Zip(second).Count(pair => pair.First > 0 && pair.Second > 0) / (double)first.Length;
        double columns = first.Zip(first.Skip(1)).Count(pair => pair.First > 0 && pair.Second > 0) / (double)first.Length;
        double rows = first.Zip(first.Skip(Columns)).Count(pair => pair.First > 0 && pair.Second > 0) / (double)(first.Length - Columns);
        double joint = 5 * Math.Sqrt(kept * kept * (1 - kept * kept) / first.Length);
        Assert.All(new[] { both, columns, rows }, share => Assert.InRange(share, kept * kept - joint, kept * kept + joint));

        // No column and no row is dropped more often than chance has it.
        double[] ofColumns = [.. Enumerable.Range(0, Columns).Select(column => Enumerable.Range(0, Rows).Count(row => first[row * Columns + column] == 0) / (double)Rows)];
        Assert.All(ofColumns, share => Assert.InRange(share, probability - 5.5 * deviation * Math.Sqrt(Columns), probability + 5.5 * deviation * Math.Sqrt(Columns) + 1e-9));
    }

    [Fact]
    public void AddDropped_ProbabilityOfOne_LeavesNothing() => Assert.All(Drop(Keys(5, 1), 70, 1), value => Assert.Equal(0f, value));

    [Theory]
    [MemberData(nameof(Options))]
    public void AccumulateGradients_EveryPathThreadAndCheckpoint_HasTheSameBits(KernelPath path, int threads, bool checkpoints, string fixture)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        TrainingOptions options = new() { Path = path, Threads = threads, CheckpointLayers = checkpoints };

        Assert.Equal(Gradients(fixture, Plain, Batch()), Gradients(fixture, options, Batch()));
    }

    [Theory]
    [InlineData(Dense)]
    [InlineData(Mixture)]
    public void AccumulateGradients_BatchInPartsOrPacked_DropsTheSame(string fixture)
    {
        LossWeights weights = AllTerms with { LoadBalance = 0, RouterAuxiliary = 0 };
        TrainingSequence[] batch = Batch(), packed = [.. SequencePacking.Pack(batch, 64)];
        Assert.Single(packed);
        using TrainableModel model = Load(fixture, Plain);
        model.AccumulateGradients(batch[..2], weights);
        model.AccumulateGradients(batch[2..], weights);
        float[] parts = Read(model), whole = Gradients(fixture, Plain, batch, weights);

        // Each part has half of the targets and rows.
        Assert.Equal(whole, Array.ConvertAll(parts, value => value / 2));
        Assert.InRange(Distance(whole, Gradients(fixture, Plain, packed, weights)), 0, 1e-5);
    }

    [Fact]
    public void AccumulateGradients_AnotherSeedOrNumberOrNoDropout_IsAnother()
    {
        TrainingSequence sequence = Text(3);
        float[] first = Gradients(Mixture, Plain, [sequence.WithDropout(1, 7)]);

        Assert.Equal(first, Gradients(Mixture, Plain, [sequence.WithDropout(1, 7)]));
        foreach (TrainingSequence other in new[] { sequence.WithDropout(1, 8), sequence.WithDropout(2, 7), sequence })
        {
            Assert.InRange(Distance(first, Gradients(Mixture, Plain, [other])), 1e-2, 10);
        }
    }

    [Theory]
    [InlineData(Dense)]
    [InlineData(Mixture)]
    public void WithoutKeysOrProbability_NothingIsDropped(string fixture)
    {
        using TrainableModel dropping = Load(fixture, Plain), never = Load(fixture, Plain, probability: 0);

        Assert.Equal(never.ComputeLoss([Text(1)], AllTerms), dropping.ComputeLoss([Text(1)], AllTerms));
        Assert.Equal(never.ComputeLogits(Text(1).Ids), dropping.ComputeLogits(Text(1).Ids));
        Assert.Equal(Gradients(fixture, Plain, [Text(1)]), Gradients(fixture, Plain, [Text(1).WithDropout(1, 1)], probability: 0));
        Assert.NotEqual(never.ComputeLoss([Text(1)], AllTerms), dropping.ComputeLoss([Text(1).WithDropout(1, 1)], AllTerms));
        Assert.Equal(Probability, dropping.ReadAdapter().Config.Dropout);
    }

    /// <summary>A step along the gradient changes the loss of the same masks by what the gradient says, every matrix of a model being adapted.</summary>
    [Theory]
    [InlineData(Dense)]
    [InlineData(Mixture)]
    public void AccumulateGradients_MaskFixed_EqualsCentralDifferencesOfTheLoss(string fixture)
    {
        using TrainableModel model = Load(fixture, Plain);
        LossTerms terms = model.AccumulateGradients(Batch(), new LossWeights());
        Assert.Equal(terms, model.ComputeLoss(Batch(), new LossWeights()));
        foreach (string factor in new[] { "lora_A", "lora_B" })
        {
            (Parameter Parameter, float[] Values, float[] Gradient)[] moved = [.. model.TrainableParameters
                .Where(parameter => parameter.Name.Contains(factor, StringComparison.Ordinal)).Select(p => (p, p.ToArray(), p.GradientToArray()))];
            double square = moved.Sum(m => m.Gradient.Sum(g => (double)g * g)), step = 1e-2 / Math.Sqrt(square);
            double Loss(double sign)
            {
                Array.ForEach(moved, m => m.Parameter.CopyFrom([.. m.Values.Zip(m.Gradient, (value, g) => (float)(value + sign * step * g))]));
                return model.ComputeLoss(Batch(), new LossWeights()).Loss;
            }

            double slope = (Loss(1) - Loss(-1)) / (2 * step);
            Loss(0);
            Assert.Equal(square, slope, 2e-3 * square);
        }
    }

    private static TrainingSequence[] Batch() => [.. Enumerable.Range(0, 4).Select(i => Text(i).WithDropout(seed: 5, number: 100 + i))];

    // The rows of two texts are as many as those of the other two.
    private static TrainingSequence Text(int i) => TrainingSequence.Next([.. Enumerable.Range(0, i % 2 == 0 ? 11 : 14).Select(k => (k * k + 17 * i) % 97)]);

    private static TrainableModel Load(string fixture, TrainingOptions options, double probability = Probability)
    {
        TrainableModel model = TrainableModel.Load(TestData.Fixture(fixture), options);
        model.Attach(new AdapterConfig { TargetModules = ModuleSelection.OfPattern(@".*(proj.*|\.gate|lm_head)"), Rank = 2, Alpha = 4, Dropout = probability }, seed: 3);

        // A new adapter has B zero, and with it no gradient of A.
        foreach (Parameter b in model.TrainableParameters.Where(parameter => parameter.Name.Contains("lora_B", StringComparison.Ordinal)))
        {
            Random random = new(b.Name.Length + b.Rows);
            b.CopyFrom([.. b.ToArray().Select(_ => 0.2f * (random.NextSingle() - 0.5f))]);
        }

        return model;
    }

    private static float[] Gradients(string fixture, TrainingOptions options, TrainingSequence[] batch, LossWeights? weights = null, double probability = Probability)
    {
        using TrainableModel model = Load(fixture, options, probability);
        model.AccumulateGradients(batch, weights ?? AllTerms);
        return Read(model);
    }

    private static float[] Read(TrainableModel model) => [.. model.TrainableParameters.SelectMany(parameter => parameter.GradientToArray())];

    private static ulong[] Keys(int rows, ulong seed) => TrainingSequence.Next(new int[rows]).WithDropout(seed, 1).DropoutKeys!;

    private static float[] Drop(ulong[] keys, int columns, double probability)
    {
        using TrainingKernels kernels = TrainingKernels.Create(KernelPaths.Default, 2);
        using Activations x = new(keys.Length, columns), y = new(keys.Length, columns);
        for (int row = 0; row < keys.Length; row++)
        {
            x.Row(row).Fill(1f);
        }

        kernels.AddDropped(x, keys, probability, new GradientSum(y, HasValue: false));
        return [.. Enumerable.Range(0, keys.Length).SelectMany(row => y.Row(row).ToArray())];
    }

    private static double Distance(float[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => ((double)a - b) * (a - b)).Sum() / expected.Sum(value => (double)value * value));
}
