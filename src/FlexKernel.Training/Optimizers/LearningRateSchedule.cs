namespace FlexKernel.Training.Optimizers;

/// <summary>How the rate goes down after the warm-up.</summary>
public enum RateDecay
{
    /// <summary>Half a cosine from the peak to the final rate.</summary>
    Cosine,

    /// <summary>A straight line from the peak to the final rate.</summary>
    Linear,

    /// <summary>Warm-up, stable, decay: the peak until the last <see cref="LearningRateSchedule.DecaySteps"/>, then a straight line.</summary>
    WarmupStableDecay,
}

/// <summary>The learning rate of each step s = 1 … N: <c>peak · s/W</c> below the warm-up W, the peak at W, the final rate at N.</summary>
public sealed record LearningRateSchedule
{
    /// <summary>The highest rate.</summary>
    public required double Peak { get; init; }

    /// <summary>The steps of the run, N.</summary>
    public required int Steps { get; init; }

    /// <summary>The step that reaches the peak, W; below <see cref="Steps"/>. Default: none.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>The final rate as a share of the peak. Default: 0.</summary>
    public double FinalFraction { get; init; }

    /// <summary>The way down. Default: cosine.</summary>
    public RateDecay Decay { get; init; }

    /// <summary>The steps of the way down of <see cref="RateDecay.WarmupStableDecay"/>; at most N − W.</summary>
    public int DecaySteps { get; init; }

    /// <summary>The rate of a step.</summary>
    /// <param name="step">From 1 to <see cref="Steps"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is outside the run.</exception>
    /// <exception cref="InvalidOperationException">Warm-up and decay do not fit the run.</exception>
    public double At(int step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(step, Steps);
        int down = Decay == RateDecay.WarmupStableDecay ? DecaySteps : Steps - WarmupSteps;
        if (WarmupSteps < 0 || down < 1 || WarmupSteps + down > Steps)
        {
            throw new InvalidOperationException($"A warm-up of {WarmupSteps} and a way down of {down} steps do not fit a run of {Steps}.");
        }

        if (step < WarmupSteps)
        {
            return Peak * step / WarmupSteps;
        }

        double progress = Math.Max(0, (double)(step - (Steps - down)) / down);
        double left = Decay == RateDecay.Cosine ? (1 + Math.Cos(Math.PI * progress)) / 2 : 1 - progress;
        return Peak * (FinalFraction + (1 - FinalFraction) * left);
    }
}
