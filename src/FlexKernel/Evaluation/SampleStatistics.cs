namespace FlexKernel.Evaluation;

/// <summary>Two ends between which a figure lies with some confidence.</summary>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>Mean, median and spread of a sample.</summary>
/// <param name="Count">Values.</param>
/// <param name="Mean">Their mean; not a number without values.</param>
/// <param name="Median">The value at place n/2, rounded down, of the sorted values.</param>
/// <param name="SampleDeviation">The standard deviation with divisor n − 1; not a number below two values.</param>
/// <param name="PopulationDeviation">The standard deviation with divisor n.</param>
public readonly record struct SampleStatistics(int Count, double Mean, double Median, double SampleDeviation, double PopulationDeviation)
{
    // The quantile of the normal distribution that leaves 2.5 % above.
    private const double TwoSided95 = 1.959963984540054;

    /// <summary>The standard error of the mean; not a number below two values.</summary>
    public double StandardError => SampleDeviation / Math.Sqrt(Count);

    /// <summary>The 95 % interval of the mean by the normal approximation; null below two values.</summary>
    public Interval? Confidence95 =>
        Count < 2 ? null : new Interval(Mean - TwoSided95 * StandardError, Mean + TwoSided95 * StandardError);

    /// <summary>Describes a sample.</summary>
    /// <param name="values">The values, in any order.</param>
    public static SampleStatistics Of(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray();
        double mean = sorted.Sum() / sorted.Length;
        double squares = sorted.Sum(value => (value - mean) * (value - mean));
        Array.Sort(sorted);
        return new SampleStatistics(
            sorted.Length,
            mean,
            sorted.Length == 0 ? double.NaN : sorted[sorted.Length / 2],
            sorted.Length < 2 ? double.NaN : Math.Sqrt(squares / (sorted.Length - 1)),
            Math.Sqrt(squares / sorted.Length));
    }
}
