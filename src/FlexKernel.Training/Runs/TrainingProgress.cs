namespace FlexKernel.Training.Runs;

/// <summary>What a run tells after a step, a validation, or when something happens.</summary>
public sealed record TrainingProgress
{
    /// <summary>Steps done.</summary>
    public required int Step { get; init; }

    /// <summary>Steps of the whole run, as far as is known.</summary>
    public required int Steps { get; init; }

    /// <summary>The loss of the last step, in nats; null before the first.</summary>
    public double? Loss { get; init; }

    /// <summary>The last validation, in bits per byte; null: none yet.</summary>
    public double? BitsPerByte { get; init; }

    /// <summary>Targets per second of the last steps.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Floating-point operations of those steps over what the processor can do at most; null: not measured.</summary>
    public double? ShareOfPeak { get; init; }

    /// <summary>The time left.</summary>
    public TimeSpan Left { get; init; }

    /// <summary>Something to be told once, for example that the run went back to a checkpoint; null: nothing.</summary>
    public string? Notice { get; init; }
}
