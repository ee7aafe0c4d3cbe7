namespace FlexKernel.Training.Runs;

/// <summary>How a piece of a run is done, without effect on its result.</summary>
public sealed record RunOptions
{
    /// <summary>Threads, vector width, memory.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>The time between two checkpoints. Default: 5 minutes.</summary>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>After this time the piece ends with a checkpoint, to be gone on with later; null: only when the run is complete.</summary>
    public TimeSpan? PauseAfter { get; init; }

    /// <summary>Told the name of every point at which a crash would leave other files or another state behind; for tests of just that.</summary>
    internal Action<string>? Reached { get; init; }
}

/// <summary>What a piece of a run came to.</summary>
public sealed record RunResult
{
    /// <summary>Where it stands.</summary>
    public required RunState State { get; init; }

    /// <summary>The steps of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>True when the run is complete and its result is written.</summary>
    public bool IsComplete => Output is not null;

    /// <summary>The directory of the result; null while the run is not complete.</summary>
    public string? Output { get; init; }

    /// <summary>Bits per byte of the validation before the first step; null without validation texts, or when this piece did not begin the run.</summary>
    public double? FirstBitsPerByte { get; init; }

    /// <summary>Bits per byte of the validation after the last step; null without any, or while the run is not complete.</summary>
    public double? LastBitsPerByte { get; init; }

    /// <summary>The SHA-256 of all parameters.</summary>
    public required string Sha256 { get; init; }

    /// <summary>The SHA-256 of all that does not train, the same as before the first step; null when everything trains.</summary>
    public string? FrozenSha256 { get; init; }
}
