namespace FlexKernel.Training.Data;

/// <summary>How documents become windows.</summary>
public sealed record PackingOptions
{
    /// <summary>The rows of a window: ids it reads, and ids it predicts. At least 1.</summary>
    public required int Length { get; init; }

    /// <summary>The id before, between and after documents: the one that ends a text.</summary>
    public required int Separator { get; init; }

    /// <summary>True for a last window that is shorter than the others, so that every id but the first is predicted once; false leaves its ids out.</summary>
    public bool KeepLast { get; init; }

    /// <summary>
    /// True to begin a document (<see cref="TrainingSequence.DocumentStarts"/>) at the separator before it: its first id is predicted from that
    /// separator alone, and the separator after it from all of it.
    /// </summary>
    public bool IsolateDocuments { get; init; }
}
