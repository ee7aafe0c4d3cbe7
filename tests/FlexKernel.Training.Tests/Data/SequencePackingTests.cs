using FlexKernel.Kernels;
using FlexKernel.Tests;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class SequencePackingTests
{
    private static readonly LossWeights AllTerms = new() { Z = 1e-2, RouterZ = 1e-3, LoadBalance = 1e-2, RouterAuxiliary = 1e-2 };

    public static TheoryData<KernelPath, int, bool> Options
    {
        get
        {
            TheoryData<KernelPath, int, bool> data = [];
            foreach (KernelPath path in KernelPaths.All)
            {
                data.Add(path, 1, false);
                data.Add(path, 3, true);
            }

            return data;
        }
    }

    [Fact]
    public void Pack_ByHand_LongestFirstIntoTheFullestThatTakesIt()
    {
        TrainingSequence[] sequences = Sequences(3, 6, 2, 5, 4, 10);

        IReadOnlyList<TrainingSequence> windows = SequencePacking.Pack(sequences, 10);

        Assert.Equal([[10], [6, 4], [5, 3, 2]], windows.Select(Lengths));
        Assert.Same(sequences[5], windows[0]);
        Assert.Equal([.. sequences[1].Ids, .. sequences[4].Ids], windows[1].Ids);
        Assert.Equal([.. sequences[3].Targets, .. sequences[0].Targets, .. sequences[2].Targets], windows[2].Targets);
        Assert.Equal([0, 1, 2, 3, 4, 0, 1, 2, 0, 1], windows[2].Positions());
        Assert.Equal([0, 0, 0, 0, 0, 5, 5, 5, 8, 8], windows[2].DocumentStartOfRows());
        Assert.Equal(Enumerable.Range(0, 10), (windows[2] with { PositionsRestart = false }).Positions());
    }

    [Fact]
    public void Pack_ManyLengths_KeepsEverySequenceWholeAndOnce()
    {
        Random random = new(5);
        TrainingSequence[] sequences = [.. Enumerable.Range(0, 300).Select(i => Sequence(1 + random.Next(random.Next(1, 65)), seed: i))];

        IReadOnlyList<TrainingSequence> windows = SequencePacking.Pack(sequences, 64);

        string[] found = [.. windows.SelectMany(Documents)];
        Assert.Equal(sequences.SelectMany(Documents).Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
        Assert.All(windows, window => Assert.InRange(window.Ids.Length, 1, 64));

        // Best-fit decreasing needs at most 11/9 of the fewest windows, and one more.
        Assert.InRange(windows.Count, 1, sequences.Sum(sequence => sequence.Ids.Length) / 64 * 11 / 9 + 2);
        Assert.Equal(windows.SelectMany(Documents), SequencePacking.Pack(sequences, 64).SelectMany(Documents));
    }

    [Fact]
    public void Pack_LongerThanAWindow_IsAnError() => Assert.Contains(
        "A sequence of 9 ids, expected at most the 8 rows",
        Assert.Throws<ArgumentException>(() => SequencePacking.Pack([Sequence(4, 1), Sequence(9, 2)], 8)).Message,
        StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Options))]
    public void Packed_LossAndGradients_AreThoseOfTheSequencesApart(KernelPath path, int threads, bool checkpoints)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        TrainingOptions options = new() { Path = path, Threads = threads, CheckpointLayers = checkpoints };
        TrainingSequence[] apart = Sequences(40, 7, 23, 61, 12, 3, 50);
        TrainingSequence[] packed = [.. SequencePacking.Pack(apart, 110)], mixed = [.. packed.Select(window => window with { DocumentStarts = [0] })];
        Assert.Equal(2, packed.Length);

        (LossTerms Terms, float[] Gradients) expected = Run(options, apart), actual = Run(options, packed), wrong = Run(options, mixed);

        // Sums over keys and rows begin elsewhere; nothing else differs.
        Assert.Equal(expected.Terms.Targets, actual.Terms.Targets);
        Assert.Equal(expected.Terms.Loss, actual.Terms.Loss, 1e-6 * expected.Terms.Loss);
        Assert.Equal(expected.Terms.LoadBalance, actual.Terms.LoadBalance, 1e-6 * expected.Terms.LoadBalance);
        Assert.InRange(Distance(expected.Gradients, actual.Gradients), 0, 1e-5);
        Assert.InRange(Distance(expected.Gradients, wrong.Gradients), 1e-2, 10);

        (LossTerms Terms, float[] Gradients) plain = Run(new TrainingOptions { Path = KernelPath.Scalar, Threads = 1 }, packed);
        Assert.Equal(plain.Terms, actual.Terms);
        Assert.Equal(plain.Gradients, actual.Gradients);
    }

    // Where a document begins at a whole panel of keys, nothing is left that could differ: neither sums nor, with positions from 0, angles.
    [Fact]
    public void Packed_DocumentAtAPanelOfKeys_HasTheBitsOfItAlone()
    {
        TrainingSequence first = Sequence(64, 1), second = Sequence(50, 2);
        TrainingSequence window = Assert.Single(SequencePacking.Pack([first, second], 128));
        TrainingSequence behind = new(window.Ids, [.. Enumerable.Repeat(TrainingSequence.Ignored, 64), .. second.Targets])
        {
            DocumentStarts = window.DocumentStarts,
            PositionsRestart = true,
        };
        using TrainableModel model = Load(new TrainingOptions());
        double alone = model.ComputeLoss([second], new LossWeights()).CrossEntropy;

        Assert.Equal(alone, model.ComputeLoss([behind], new LossWeights()).CrossEntropy);
        Assert.NotEqual(alone, model.ComputeLoss([behind with { PositionsRestart = false }], new LossWeights()).CrossEntropy);
    }

    private static (LossTerms Terms, float[] Gradients) Run(TrainingOptions options, TrainingSequence[] batch)
    {
        using TrainableModel model = Load(options);
        LossTerms terms = model.AccumulateGradients(batch, AllTerms);
        return (terms, [.. model.Parameters.SelectMany(parameter => parameter.GradientToArray())]);
    }

    private static TrainableModel Load(TrainingOptions options) => TrainableModel.Load(TestData.Fixture("training/gradients/flex_more"), options);

    private static TrainingSequence[] Sequences(params int[] lengths) => [.. lengths.Select((length, i) => Sequence(length, seed: i))];

    // Some targets count, as in a conversation.
    private static TrainingSequence Sequence(int length, int seed)
    {
        Random random = new(seed);
        int[] ids = [.. Enumerable.Range(0, length + 1).Select(_ => random.Next(128))];
        return new TrainingSequence(ids[..^1], [.. ids.Skip(1).Select((id, i) => i % 5 < 2 ? TrainingSequence.Ignored : id)]);
    }

    private static int[] Lengths(TrainingSequence window) =>
        [.. window.DocumentStarts.Zip(window.DocumentStarts.Skip(1).Append(window.Ids.Length), (start, end) => end - start)];

    private static IEnumerable<string> Documents(TrainingSequence window) => window.DocumentStarts.Zip(
        Lengths(window), (start, length) => string.Join(' ', window.Ids[start..(start + length)].Concat(window.Targets[start..(start + length)])));

    private static double Distance(float[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => ((double)a - b) * (a - b)).Sum() / expected.Sum(value => (double)value * value));
}
