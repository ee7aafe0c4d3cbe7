namespace FlexKernel.Training.Runs;

/// <summary>Where a run stands after a step; with the parameters and the optimisers' states, all it needs to go on to the bit.</summary>
public sealed record RunState
{
    /// <summary>Steps done.</summary>
    public int Step { get; init; }

    /// <summary>The place of the next sequence in the order of the run.</summary>
    public long Position { get; init; }

    /// <summary>Targets learned from.</summary>
    public long Tokens { get; init; }

    /// <summary>Seconds of training, of all pieces together.</summary>
    public double Seconds { get; init; }

    /// <summary>How often the run went back to a checkpoint.</summary>
    public int Rollbacks { get; init; }

    /// <summary>The early end that a deadline forced; null: none.</summary>
    public ScheduleCut? Cut { get; init; }

    /// <summary>The trend of the loss that spikes are measured against.</summary>
    public LossTrend Trend { get; init; } = new();

    /// <summary>The SHA-256 of all that does not train; null when everything trains.</summary>
    public string? FrozenSha256 { get; init; }

    /// <summary>The fewest bits per byte of a validation so far; null: none yet.</summary>
    public double? BestBitsPerByte { get; init; }

    /// <summary>The step of <see cref="BestBitsPerByte"/>.</summary>
    public int BestStep { get; init; }
}

/// <summary>From a step on, the rate goes down in a straight line to the schedule's last rate.</summary>
/// <param name="Step">The last step with the rate as planned.</param>
/// <param name="End">The step that ends the run.</param>
public sealed record ScheduleCut(int Step, int End);
