namespace FlexKernel.Training.Runs;

/// <summary>What a checkpoint holds: its last file, so that a directory with it is whole.</summary>
internal sealed record CheckpointManifest
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    /// <summary>The program that wrote it.</summary>
    public required string Writer { get; init; }

    public required RunState State { get; init; }

    /// <summary>The SHA-256 of each file beside this one, in lower-case hexadecimal.</summary>
    public required SortedDictionary<string, string> Files { get; init; }
}
