namespace FlexKernel.Training.Runs;

/// <summary>The moving mean and variance of a loss.</summary>
public sealed record LossTrend
{
    private const double Memory = 0.97;

    // Before so many losses, and in their quick first fall, nothing is unusual.
    private const int Settled = 20;

    // Smooth runs have nearly no variance: a hundredth of the loss is never a spike's measure.
    private const double LeastDeviation = 0.02;

    /// <summary>Losses seen.</summary>
    public int Count { get; init; }

    /// <summary>Their moving mean.</summary>
    public double Mean { get; init; }

    /// <summary>Their moving variance around it.</summary>
    public double Variance { get; init; }

    /// <summary>Whether a loss, or its gradient's norm, is one to go back from.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="norm">The norm of its gradients.</param>
    /// <param name="deviations">How many standard deviations above the mean make a spike; 0: any number of them does not.</param>
    public bool IsSpike(double loss, double norm, double deviations) =>
        !double.IsFinite(loss) || !double.IsFinite(norm)
        || (deviations > 0 && Count >= Settled && loss > Mean + deviations * Math.Max(Math.Sqrt(Variance), LeastDeviation * Mean));

    /// <summary>The trend with one loss more.</summary>
    public LossTrend With(double loss)
    {
        double memory = Math.Min(Memory, (double)Count / (Count + 1)), step = loss - Mean;
        return new LossTrend
        {
            Count = Count + 1,
            Mean = Mean + (1 - memory) * step,
            Variance = memory * (Variance + (1 - memory) * step * step),
        };
    }
}
