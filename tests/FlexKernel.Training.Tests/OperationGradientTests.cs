using FlexKernel.Kernels;
using FlexKernel.Training.Autodiff;
using Xunit;

namespace FlexKernel.Training.Tests;

/// <summary>Every operation, forward and backward, against central differences in double, on every path.</summary>
public sealed class OperationGradientTests
{
    [Theory]
    [InlineData(1, 3, 5)]
    [InlineData(7, 33, 40)]
    [InlineData(300, 5, 70)]
    public void Linear_EqualsCentralDifferences(int rows, int inputs, int outputs) => Gradients.Check(
        [Gradients.Random(rows, inputs, 1), Gradients.Random(outputs, inputs, 2)],
        x => Reference.Linear(x[0], x[1]),
        (tape, x, parameters) => tape.Linear(x[0], parameters[1]));

    [Theory]
    [InlineData(1, 40, 5, 0.5)]
    [InlineData(7, 33, 40, 0.1)]
    [InlineData(300, 300, 6, 0.3)]
    public void LinearOfDropped_MaskFixed_EqualsCentralDifferences(int rows, int inputs, int outputs, double probability)
    {
        ulong[] keys = TrainingSequence.Next(new int[rows]).WithDropout(seed: 1, number: 2).DropoutKeys!;
        Gradients.Check(
            [Gradients.Random(rows, inputs, 1), Gradients.Random(outputs, inputs, 2)],
            x => Reference.Linear(Reference.Drop(x[0], keys, probability), x[1]),
            (tape, x, parameters) => tape.LinearOfDropped(x[0], keys, probability, parameters[1]));
    }

    [Theory]
    [InlineData(3, 5)]
    [InlineData(260, 33)]
    public void RmsNorm_EqualsCentralDifferences(int rows, int columns) => Gradients.Check(
        [Gradients.Random(rows, columns, 3), Gradients.Random(1, columns, 4)],
        x => Reference.RmsNorm(x[0], x[1][0], 0.01),
        (tape, x, parameters) => tape.RmsNorm(x[0], parameters[1], 0.01f));

    [Fact]
    public void SwiGlu_EqualsCentralDifferences() => Gradients.Check(
        [Gradients.Random(5, 37, 5), Gradients.Random(5, 37, 6)],
        x => Reference.SwiGlu(x[0], x[1]),
        (tape, x, _) => tape.SwiGlu(x[0], x[1]));

    [Fact]
    public void Embed_RepeatedIds_EqualsCentralDifferences()
    {
        int[] ids = [3, 0, 3, 3, 1];
        Gradients.Check(
            [Gradients.Random(4, 10, 7)], x => Array.ConvertAll(ids, id => x[0][id]), (tape, _, parameters) => tape.Embed(parameters[0], ids));
    }

    [Fact]
    public void AddAndScale_EqualCentralDifferences() => Gradients.Check(
        [Gradients.Random(4, 9, 8), Gradients.Random(4, 9, 9)],
        x => [.. x[0].Zip(x[1], (a, b) => a.Zip(b, (first, second) => first + 1.5 * second).ToArray())],
        (tape, x, _) => tape.Add(x[0], tape.Scale(x[1], 1.5f)));

    [Theory]
    [InlineData(6)]
    [InlineData(36)]
    public void Rotate_PositionsThatRestart_EqualsCentralDifferences(int dimension)
    {
        float[] frequencies = [.. Enumerable.Range(0, dimension / 2).Select(j => (float)Math.Pow(100, -2.0 * j / dimension))];
        int[] positions = [0, 1, 2, 3, 0, 1, 0, 7, 8];
        using RotaryTable table = new(frequencies, 9);
        Gradients.Check(
            [Gradients.Random(9, 2 * dimension, 10)],
            x => Reference.Rotate(x[0], dimension, frequencies, positions),
            (tape, x, _) => tape.Rotate(x[0], table, positions));
    }

    [Theory]
    [InlineData(2, 1, 4, 2)]
    [InlineData(9, 2, 6, 1)]
    [InlineData(70, 1, 34, 2)]
    [InlineData(270, 1, 4, 1)]
    [InlineData(9, 2, 6, 2, 0, 3, 4)]
    [InlineData(110, 1, 10, 1, 0, 20, 64, 101)]
    [InlineData(290, 1, 4, 1, 0, 37, 259)]
    public void Attend_GroupedQueriesAndDocuments_EqualsCentralDifferences(int rows, int keyHeads, int dimension, int group, params int[] documents)
    {
        int[] firstSeen = [.. Enumerable.Range(0, rows).Select(row => documents.LastOrDefault(start => start <= row))];
        Gradients.Check(
            [
                Gradients.Random(rows, keyHeads * group * dimension, 11),
                Gradients.Random(rows, keyHeads * dimension, 12),
                Gradients.Random(rows, keyHeads * dimension, 13),
            ],
            x => Reference.Attend(x[0], x[1], x[2], dimension, firstSeen),
            (tape, x, _) => tape.Attend(x[0], x[1], x[2], dimension, firstSeen));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Route_SoftmaxThenTopK_EqualsCentralDifferences(bool renormalise)
    {
        double[][] bias = [[-0.3], [0.2], [-0.1], [-0.7]];
        Gradients.Check(
            [Gradients.Random(6, 5, 15), bias],
            x => Reference.Route(x[0], x[1], 2, renormalise),
            (tape, x, parameters) => tape.Route(x[0], parameters[1], 2, renormalise, 0, default));
    }

    [Fact]
    public void GatherWeightAddRows_EqualCentralDifferences()
    {
        int[] rows = [1, 2, 4];
        Gradients.Check(
            [Gradients.Random(6, 7, 16), Gradients.Random(6, 3, 17)],
            x => [.. x[0].Select((row, i) => rows.Contains(i) ? Array.ConvertAll(row, value => value * x[1][i][2]) : new double[7])],
            (tape, x, _) =>
            {
                Variable sum = tape.Zeros(6, 7, needsGradient: true);
                tape.AddRows(sum, tape.Weight(tape.Gather(x[0], rows), x[1], rows, 2), rows);
                return sum;
            });
    }

    [Fact]
    public void HeadLoss_IgnoredTargets_EqualsCentralDifferences()
    {
        int[] targets = [.. Enumerable.Range(0, 270).Select(row => row % 4 == 3 ? TrainingSequence.Ignored : row * 7 % 40)];
        const double CeScale = 0.01, ZScale = 0.003;
        double[][] Loss(double[][][] x) =>
        [
            [
                Reference.Linear(x[0], x[1]).Select((logits, row) =>
                {
                    double sum = Reference.LogSumExp(logits);
                    return targets[row] == TrainingSequence.Ignored ? 0 : CeScale * (sum - logits[targets[row]]) + ZScale * sum * sum;
                }).Sum(),
            ],
        ];

        // The loss is the root of the tape: its gradient is 1, where Check asks for a random factor, which scales both.
        double factor = (float)Gradients.Random(1, 1, seed: 99)[0][0];
        LossSums sums = new();
        Gradients.Check(
            [Gradients.Random(270, 6, 18), Gradients.Random(40, 6, 19)],
            Loss,
            (tape, x, parameters) =>
            {
                sums = new LossSums();
                tape.HeadLoss(x[0], (inner, part, _) => inner.Linear(part, parameters[1]), targets, (float)(CeScale * factor), (float)(ZScale * factor), sums);
                Variable loss = tape.Zeros(1, 1, needsGradient: true);
                loss.Value.Row(0)[0] = (float)(CeScale * sums.CrossEntropy + ZScale * sums.SquaredLogSumExp);
                return loss;
            });
    }
}
