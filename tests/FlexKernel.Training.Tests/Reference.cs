namespace FlexKernel.Training.Tests;

/// <summary>Definitions of the operations in double, sharing no code with the product.</summary>
internal static class Reference
{
    public static double[][] Map(double[][] x, Func<double[], double[]> row) => Array.ConvertAll(x, value => row(value));

    public static double[][] Linear(double[][] x, double[][] weight) => Map(x, row => Array.ConvertAll(weight, w => Dot(row, w)));

    public static double[][] RmsNorm(double[][] x, double[] gain, double epsilon) => Map(x, row =>
    {
        double scale = 1 / Math.Sqrt(Dot(row, row) / row.Length + epsilon);
        return [.. row.Select((value, i) => value * scale * gain[i])];
    });

    public static double[][] SwiGlu(double[][] gate, double[][] up) =>
        [.. gate.Zip(up, (g, u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b).ToArray())];

    public static double[][] Rotate(double[][] x, int dimension, float[] frequencies, int[] positions) => [.. x.Zip(positions, (row, position) =>
    {
        double[] y = new double[row.Length];
        for (int head = 0; head < row.Length; head += dimension)
        {
            for (int j = 0; j < dimension / 2; j++)
            {
                double angle = position * (double)frequencies[j], first = row[head + j], second = row[head + dimension / 2 + j];
                y[head + j] = first * Math.Cos(angle) - second * Math.Sin(angle);
                y[head + dimension / 2 + j] = second * Math.Cos(angle) + first * Math.Sin(angle);
            }
        }

        return y;
    })];

    /// <summary>Inputs are dropped where a keyed hash of the column, as a share of 2^32, lies below the probability.</summary>
    public static double[][] Drop(double[][] x, ulong[] keys, double probability) => [.. x.Select((row, i) => row.Select((value, column) =>
    {
        uint bits = (uint)column ^ (uint)keys[i];
        bits = unchecked((bits ^ (bits >> 16)) * 0x7FEB352D);
        bits = unchecked((bits ^ (uint)(keys[i] >> 32) ^ (bits >> 15)) * 0x846CA68B);
        bits ^= bits >> 16;
        return bits / 4294967296.0 < probability ? 0 : value / (1 - probability);
    }).ToArray())];

    public static double[][] Attend(double[][] q, double[][] k, double[][] v, int dimension, int[] firstSeen)
    {
        int group = q[0].Length / k[0].Length;
        return [.. q.Select((row, position) =>
        {
            double[] y = new double[row.Length];
            for (int head = 0; head < row.Length / dimension; head++)
            {
                int from = head / group * dimension;
                int first = firstSeen[position];
                double[] p = Softmax([.. Enumerable.Range(first, position + 1 - first).Select(other =>
                    Dot(row[(head * dimension)..((head + 1) * dimension)], k[other][from..(from + dimension)]) / Math.Sqrt(dimension))]);
                for (int i = 0; i < dimension; i++)
                {
                    y[head * dimension + i] = p.Select((weight, other) => weight * v[first + other][from + i]).Sum();
                }
            }

            return y;
        })];
    }

    public static double[][] Route(double[][] logits, double[][]? bias, int active, bool renormalise) => Map(logits, row =>
    {
        double[] p = Softmax([.. row.Select((l, e) => l + (e > 0 && bias is not null ? Math.Min(bias[e - 1][0], 0) : 0))]);
        int[] chosen = [.. Enumerable.Range(0, p.Length).OrderByDescending(e => p[e]).Take(active)];
        double sum = renormalise ? chosen.Sum(e => p[e]) : 1;
        return [.. p.Select((value, e) => chosen.Contains(e) ? value / sum : 0)];
    });

    public static double LogSumExp(double[] x)
    {
        double max = x.Max();
        return max + Math.Log(x.Sum(value => Math.Exp(value - max)));
    }

    private static double[] Softmax(double[] x)
    {
        double sum = LogSumExp(x);
        return Array.ConvertAll(x, value => Math.Exp(value - sum));
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
