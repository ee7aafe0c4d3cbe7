using System.Collections.Immutable;

namespace FlexKernel.Distribution;

/// <summary>A file of the source.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="TransferBytes">What of it is transferred; headers included.</param>
public readonly record struct PlannedFile(string Name, long Bytes, long TransferBytes);

/// <summary>What fetching a model means, before its weights are fetched.</summary>
public sealed record PullPlan
{
    /// <summary>Gets the source, without credentials.</summary>
    public required string Source { get; init; }

    /// <summary>Gets the names of all experts of the source; empty for a dense model and for one this version does not run.</summary>
    public required ImmutableArray<string> Experts { get; init; }

    /// <summary>Gets the names of the experts that the result has; the same ones when it is a copy.</summary>
    public required ImmutableArray<string> KeptExperts { get; init; }

    /// <summary>Gets whether the result is a smaller model rather than a copy.</summary>
    public bool IsPartial => KeptExperts.Length < Experts.Length;

    /// <summary>Gets the files of the source that something is fetched of, in ordinal order, lists of sums apart.</summary>
    public required ImmutableArray<PlannedFile> Files { get; init; }

    /// <summary>Gets the bytes of the weights and other files in the result, the lists of sums apart.</summary>
    public required long ResultBytes { get; init; }

    /// <summary>Gets what the user should know.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>Gets the bytes of all files.</summary>
    public long SourceBytes => Files.Sum(file => file.Bytes);

    /// <summary>Gets the bytes to transfer in all, if nothing is there yet.</summary>
    public long TransferBytes => Files.Sum(file => file.TransferBytes);
}
