using FlexKernel.Kernels;
using FlexKernel.Training.Autodiff;
using Xunit;

namespace FlexKernel.Training.Tests;

/// <summary>Compares an operation, forward and backward, with central differences of its definition in double.</summary>
internal static class Gradients
{
    private const double Step = 1e-5, Tolerance = 2e-5;
    private const int Checked = 60;

    /// <summary>A matrix of values in (−1, 1).</summary>
    public static double[][] Random(int rows, int columns, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => (double)(float)(2 * random.NextDouble() - 1)).ToArray())];
    }

    /// <summary>
    /// Checks values, and the gradients of Σ c ⊙ y for random c, on every path of this machine. Differences count against the largest value.
    /// </summary>
    /// <param name="inputs">The inputs; each becomes a variable and, for operations on parameters, a parameter as well.</param>
    /// <param name="define">The definition, in double.</param>
    /// <param name="apply">The operation; inputs are variables that need gradients.</param>
    public static void Check(double[][][] inputs, Func<double[][][], double[][]> define, Func<Tape, Variable[], Parameter[], Variable> apply)
    {
        double[][] expected = define(inputs), weights = Random(expected.Length, expected[0].Length, seed: 99);
        foreach (KernelPath path in KernelPaths.All.ToArray().Where(KernelPaths.IsSupported))
        {
            using TrainingKernels kernels = TrainingKernels.Create(path, threads: 2);
            using Tape tape = new(kernels, records: true);
            Parameter[] parameters = [.. inputs.Select((input, i) => new Parameter($"input {i}", [input.Length, input[0].Length], Flat(input)))];
            Variable[] variables = [.. parameters.Select(parameter => tape.Copy(parameter.Value, needsGradient: true))];
            Variable y = apply(tape, variables, parameters);
            Near($"{path}, value", [.. expected.SelectMany(row => row)], Flat(y.Value));
            for (int row = 0; row < y.Rows; row++)
            {
                Array.ConvertAll(weights[row], value => (float)value).CopyTo(y.Gradient.Row(row));
            }

            tape.Backward();
            for (int i = 0; i < inputs.Length; i++)
            {
                // An operation reads an input as a variable or as a parameter; the other gradient stays zero.
                float[] actual = [.. Flat(variables[i].Gradient).Zip(parameters[i].GradientToArray(), (a, b) => a + b)];
                CompareDifferences($"{path}, gradient of input {i}", inputs, i, define, weights, actual);
            }

            Array.ForEach(parameters, parameter => parameter.Dispose());
        }
    }

    private static void CompareDifferences(
        string what, double[][][] inputs, int input, Func<double[][][], double[][]> define, double[][] weights, float[] actual)
    {
        int columns = inputs[input][0].Length;
        int[] places = [.. Enumerable.Range(0, actual.Length)];
        new Random(input).Shuffle(places);
        places = places[..Math.Min(Checked, places.Length)];
        double[] expected = Array.ConvertAll(places, place =>
        {
            ref double value = ref inputs[input][place / columns][place % columns];
            double center = value;
            value = center + Step;
            double above = Sum(define(inputs), weights);
            value = center - Step;
            double below = Sum(define(inputs), weights);
            value = center;
            return (above - below) / (2 * Step);
        });
        Assert.Contains(expected, value => value != 0);
        Near(what, expected, Array.ConvertAll(places, place => actual[place]));
    }

    private static void Near(string what, double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double allowed = Tolerance * expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(actual[i] - expected[i]) <= allowed, $"{what}: {actual[i]} at {i}, expected {expected[i]}, tolerance {allowed}");
        }
    }

    private static double Sum(double[][] y, double[][] weights) => y.Zip(weights, (row, w) => row.Zip(w, (a, b) => a * b).Sum()).Sum();

    private static float[] Flat(double[][] matrix) => [.. matrix.SelectMany(row => row).Select(value => (float)value)];

    private static float[] Flat(Activations matrix) => [.. Enumerable.Range(0, matrix.Rows).SelectMany(row => matrix.Row(row).ToArray())];
}
