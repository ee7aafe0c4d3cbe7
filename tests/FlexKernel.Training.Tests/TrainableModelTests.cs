using System.Text.Json;
using FlexKernel.Kernels;
using FlexKernel.Tests;
using FlexKernel.Training.Optimizers;
using Xunit;

namespace FlexKernel.Training.Tests;

public sealed class TrainableModelTests
{
    private static readonly TrainingOptions Plain = new() { Path = KernelPath.Scalar, Threads = 1 };

    private static readonly LossWeights AllTerms = new() { Z = 1e-2, RouterZ = 1e-3, LoadBalance = 1e-2, RouterAuxiliary = 1e-2 };

    private static readonly TrainingSequence First = TrainingSequence.Next([4, 82, 90, 105, 7, 12]), Second = TrainingSequence.Next([0, 114, 115, 37, 88, 3]);

    // Longer than a block of query rows and than two panels of keys, with remainders of both.
    private static readonly TrainingSequence Long =
        TrainingSequence.Next([.. Enumerable.Range(0, 119).Select(i => i * i % 113)]) with { DocumentStarts = [0, 40, 67] };

    public static TheoryData<KernelPath, int> Paths
    {
        get
        {
            TheoryData<KernelPath, int> data = [];
            foreach (KernelPath path in KernelPaths.All)
            {
                data.Add(path, 1);
                data.Add(path, 2);
                data.Add(path, 3);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void AccumulateGradients_EveryPathAndThreadCount_HasTheSameBits(KernelPath path, int threads)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");

        Assert.Equal(Gradients(Plain, [First, Long]), Gradients(new TrainingOptions { Path = path, Threads = threads }, [First, Long]));
    }

    [Fact]
    public void AccumulateGradients_CheckpointedLayers_HasTheSameBits() =>
        Assert.Equal(Gradients(Plain, [First, Second]), Gradients(Plain with { CheckpointLayers = true }, [First, Second]));

    [Theory]
    [MemberData(nameof(Paths))]
    public void AccumulateGradients_FrozenMatricesAsStored_HaveTheBitsOfFloat32Masters(KernelPath path, int threads)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        using TrainableModel stored = Load(), masters = Load();
        foreach (Parameter parameter in masters.Parameters)
        {
            parameter.CopyFrom(parameter.ToArray());
        }

        Assert.Equal(masters.ComputeLoss([First, Long], AllTerms), stored.ComputeLoss([First, Long], AllTerms));
        Assert.Equal(masters.AccumulateGradients([First, Long], AllTerms), stored.AccumulateGradients([First, Long], AllTerms));
        Assert.All(stored.Parameters, parameter => Assert.Equal(masters[parameter.Name].GradientToArray(), parameter.GradientToArray()));
        Assert.All(stored.Parameters, parameter => Assert.Equal(masters[parameter.Name].ComputeSha256(), parameter.ComputeSha256()));

        // Panels and their transpose, 2 bytes a value each and padded to 32 outputs, beside a master and the same of 4 bytes.
        Parameter[] matrices = [.. stored.Parameters.Where(parameter => parameter.Shape.Length == 2 && !parameter.IsTrainable)];
        Assert.All(matrices, matrix => Assert.InRange(matrix.Values.ByteCount, 1, masters[matrix.Name].Values.ByteCount / 2));

        TrainableModel Load()
        {
            TrainableModel model = TrainableModel.Load(TestData.Fixture("models/flexmore-bf16"), new TrainingOptions { Path = path, Threads = threads });
            model.Freeze("*");
            model.Unfreeze("model.layers.0.mlp.experts.*");
            return model;
        }
    }

    [Fact]
    public void Update_AfterStepsAsStored_GoesOnFromTheStoredValues()
    {
        using TrainableModel model = TrainableModel.Load(TestData.Fixture("models/flexmore-bf16"), Plain);
        Parameter matrix = model["model.layers.0.self_attn.q_proj.weight"];
        float[] before = matrix.ToArray();
        model.AccumulateGradients([First], AllTerms);

        new AdamW().Update(matrix, 1, 1e-3, weightDecay: 0);
        float[] after = matrix.ToArray();
        model.ClearGradients();
        LossTerms terms = model.AccumulateGradients([First], AllTerms);

        Assert.All(before.Zip(after), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1.01e-3));
        Assert.NotEqual(before, after);
        using TrainableModel other = TrainableModel.Load(TestData.Fixture("models/flexmore-bf16"), Plain);
        other[matrix.Name].CopyFrom(after);
        Assert.Equal(terms, other.ComputeLoss([First], AllTerms));
    }

    [Fact]
    public void AccumulateGradients_BatchInParts_HasTheSameBits()
    {
        // The mean over twice as many targets halves every term: a power of two, which rounds nothing.
        LossWeights weights = AllTerms with { LoadBalance = 0, RouterAuxiliary = 0 };
        float[] whole = Gradients(Plain, [First, Second], weights), parts = Gradients(Plain, [First], weights, [Second]);

        Assert.Equal(whole, Array.ConvertAll(parts, value => value / 2));
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void AccumulateGradients_DocumentsInOneSequence_EqualThemAlone(KernelPath path, int threads)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        TrainingOptions options = new() { Path = path, Threads = threads };
        TrainingSequence packed = new([.. First.Ids, .. Second.Ids], [.. First.Targets, .. Second.Targets]) { DocumentStarts = [0, First.Ids.Length] };

        float[] alone = Gradients(options, [First, Second]), together = Gradients(options, [packed]), mixed = Gradients(options, [packed with { DocumentStarts = [0] }]);

        // Positions count on through the sequence: the angles are rounded elsewhere.
        Assert.InRange(Distance(alone, together), 0, 1e-5);
        Assert.InRange(Distance(alone, mixed), 1e-2, 10);
        Assert.Equal(Gradients(Plain, [packed]), together);
    }

    [Fact]
    public void ComputeLoss_EqualsTheLossOfTheGradients()
    {
        using TrainableModel model = Load(Plain);

        Assert.Equal(model.ComputeLoss([First, Second], AllTerms), model.AccumulateGradients([First, Second], AllTerms));
    }

    [Fact]
    public void Freeze_ByPattern_KeepsEveryHash()
    {
        using TrainableModel model = Load(Plain);
        model.Freeze("*");
        model.Unfreeze("model.layers.*.mlp.experts.3.*");
        Dictionary<string, string> before = model.Parameters.ToDictionary(p => p.Name, p => p.ComputeSha256());
        ParameterGroup group = new([.. model.TrainableParameters], new AdamW()) { WeightDecay = 0.1 };

        model.AccumulateGradients([First], AllTerms);
        group.Update(1, 0.01);

        Assert.Equal(12, group.Parameters.Count);
        Assert.All(model.Parameters, parameter => Assert.Equal(parameter.IsTrainable, parameter.ComputeSha256() != before[parameter.Name]));
    }

    [Fact]
    public void TrainableRows_Decay_LeavesTheOtherRows()
    {
        using TrainableModel model = Load(Plain);
        Parameter router = model["model.layers.0.mlp.gate.weight"];
        router.TrainableRows = 1..3;
        string[] before = [.. Enumerable.Range(0, router.Rows).Select(row => router.ComputeSha256(row..(row + 1)))];

        model.AccumulateGradients([First], AllTerms);
        new AdamW().Update(router, 1, 0.01, weightDecay: 0.1);

        string[] after = [.. Enumerable.Range(0, router.Rows).Select(row => router.ComputeSha256(row..(row + 1)))];
        Assert.Equal([true, false, false, true, true], before.Zip(after, (a, b) => a == b));
    }

    [Fact]
    public void Freeze_UnknownName_Throws()
    {
        using TrainableModel model = Load(Plain);

        Assert.Throws<ArgumentException>(() => model.Freeze("model.layers.*.experts.9.*"));
    }

    [Fact]
    public void AccumulateGradients_NoTarget_Throws()
    {
        using TrainableModel model = Load(Plain);

        Assert.Throws<ArgumentException>(() => model.AccumulateGradients([new TrainingSequence([1, 2], [-100, -100])], new LossWeights()));
    }

    [Theory]
    [InlineData(128, 1)]
    [InlineData(-1, 1)]
    [InlineData(1, 128)]
    [InlineData(1, -1)]
    public void AccumulateGradients_IdOutsideTheVocabulary_Throws(int id, int target)
    {
        using TrainableModel model = Load(Plain);

        Assert.Throws<ArgumentException>(() => model.AccumulateGradients([new TrainingSequence([id], [target])], new LossWeights()));
    }

    [Fact]
    public void Load_TiedEmbeddings_SaysThatTheyAreNotTrained()
    {
        JsonElement overrides = JsonElement.Parse("""{"tie_word_embeddings": true}""");

        NotSupportedException e = Assert.Throws<NotSupportedException>(() => TrainableModel.Load(TestData.Fixture("training/gradients/olmo2"), Plain, overrides));

        Assert.Contains("tied embeddings", e.Message, StringComparison.Ordinal);
    }

    private static double Distance(float[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => ((double)a - b) * (a - b)).Sum() / expected.Sum(value => (double)value * value));

    private static TrainableModel Load(TrainingOptions options) =>
        TrainableModel.Load(TestData.Fixture("training/gradients/flex_more"), options, JsonElement.Parse("""{"num_experts_per_tok": 3}"""));

    private static float[] Gradients(TrainingOptions options, TrainingSequence[] batch, LossWeights? weights = null, TrainingSequence[]? next = null)
    {
        using TrainableModel model = Load(options);
        model.AccumulateGradients(batch, weights ?? AllTerms);
        if (next is not null)
        {
            model.AccumulateGradients(next, weights ?? AllTerms);
        }

        return [.. model.Parameters.SelectMany(parameter => parameter.GradientToArray())];
    }
}
