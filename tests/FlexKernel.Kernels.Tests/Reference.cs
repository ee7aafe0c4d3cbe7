namespace FlexKernel.Kernels.Tests;

/// <summary>The operations' definitions in double precision. Shares no code with the product and no order of summation either.</summary>
internal static class Reference
{
    /// <summary>Nearest bfloat16, ties to even, by scaling and integer rounding.</summary>
    public static float RoundToBFloat16(float value)
    {
        if (value == 0 || !float.IsFinite(value))
        {
            return value;
        }

        // 8 bits of significand; below the smallest normal number the spacing stays 2^-133.
        int spacing = Math.Max(Math.ILogB(value), -126) - 7;
        double rounded = Math.ScaleB(Math.Round(Math.ScaleB((double)value, -spacing), MidpointRounding.ToEven), spacing);
        return (float)(Math.Abs(rounded) >= Math.ScaleB(1, 128) ? double.PositiveInfinity * Math.Sign(value) : rounded);
    }

    /// <summary>The weights as a format keeps them.</summary>
    public static float[] Kept(float[] values, WeightFormat format) =>
        format == WeightFormat.F32 ? values : [.. values.Select(RoundToBFloat16)];

    public static double Dot(ReadOnlySpan<float> w, ReadOnlySpan<float> x)
    {
        double sum = 0;
        for (int k = x.Length - 1; k >= 0; k--)
        {
            sum += (double)w[k] * x[k];
        }

        return sum;
    }

    public static double AbsoluteDot(ReadOnlySpan<float> w, ReadOnlySpan<float> x)
    {
        double sum = 0;
        for (int k = 0; k < x.Length; k++)
        {
            sum += Math.Abs((double)w[k] * x[k]);
        }

        return sum;
    }

    /// <summary>weight [rows, x.Length] times x.</summary>
    public static double[] Multiply(float[] weight, int rows, double[] x)
    {
        double[] y = new double[rows];
        for (int n = 0; n < rows; n++)
        {
            for (int k = 0; k < x.Length; k++)
            {
                y[n] += weight[n * x.Length + k] * x[k];
            }
        }

        return y;
    }

    public static double[] RmsNorm(ReadOnlySpan<float> x, ReadOnlySpan<float> gain, double epsilon)
    {
        double squares = 0;
        foreach (float v in x)
        {
            squares += (double)v * v;
        }

        double[] y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = x[i] / Math.Sqrt(squares / x.Length + epsilon) * gain[i];
        }

        return y;
    }

    public static double Silu(double z) => z / (1 + Math.Exp(-z));

    public static double[] Softmax(IReadOnlyList<double> logits)
    {
        double max = logits.Max();
        double[] e = [.. logits.Select(l => Math.Exp(l - max))];
        double sum = e.Sum();
        return [.. e.Select(v => v / sum)];
    }

    /// <summary>Rotates one head: <c>(v1, v2) → (v1 cos − v2 sin, v2 cos + v1 sin)</c>; the angle is a float32 product.</summary>
    public static void Rotate(Span<double> head, ReadOnlySpan<float> inverseFrequencies, int position)
    {
        int half = head.Length / 2;
        for (int j = 0; j < half; j++)
        {
            double angle = position * inverseFrequencies[j];
            double a = head[j], b = head[half + j];
            head[j] = a * Math.Cos(angle) - b * Math.Sin(angle);
            head[half + j] = b * Math.Cos(angle) + a * Math.Sin(angle);
        }
    }

    /// <summary>One head of one row: softmax(q·k / sqrt(D))·v over the given positions.</summary>
    public static double[] Attend(ReadOnlySpan<float> query, IReadOnlyList<float[]> keys, IReadOnlyList<float[]> values, int offset)
    {
        int dimension = query.Length;
        double[] scores = new double[keys.Count];
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i] = Dot(keys[i].AsSpan(offset, dimension), query) / Math.Sqrt(dimension);
        }

        double[] weights = Softmax(scores), y = new double[dimension];
        for (int i = 0; i < scores.Length; i++)
        {
            for (int d = 0; d < dimension; d++)
            {
                y[d] += weights[i] * values[i][offset + d];
            }
        }

        return y;
    }
}
