using System.Collections.Immutable;

namespace FlexKernel.Distribution;

/// <summary>Against what a fetched file was checked.</summary>
public enum FileCheck
{
    /// <summary>Against nothing: nobody states a sum.</summary>
    None,

    /// <summary>Against a sum that the source itself states: it arrived undamaged, whatever it is.</summary>
    Source,

    /// <summary>Against a sum that the user gave, directly or through a list with a given sum.</summary>
    Pinned,

    /// <summary>It was made here, from parts of the source; see <see cref="PullReport.Tensors"/>.</summary>
    Made,
}

/// <summary>A file of the result.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Its SHA-256, in lower-case hexadecimal.</param>
/// <param name="Check">Against what it was checked.</param>
public readonly record struct PulledFile(string Name, long Bytes, string Sha256, FileCheck Check);

/// <summary>How many tensors of the result were checked one by one.</summary>
/// <param name="Check">Who states the sums; <see cref="FileCheck.None"/>: nobody.</param>
/// <param name="Matching">Tensors that have the stated sum.</param>
/// <param name="Cut">Tensors of which only the rows of some experts were fetched: no sum of a whole applies to them.</param>
/// <param name="Unlisted">Whole tensors without a stated sum.</param>
public readonly record struct TensorCheck(FileCheck Check, int Matching, int Cut, int Unlisted);

/// <summary>What was fetched and what was checked.</summary>
public sealed record PullReport
{
    /// <summary>Gets the directory of the result, as a full path.</summary>
    public required string Directory { get; init; }

    /// <summary>Gets the files written, in ordinal order.</summary>
    public required ImmutableArray<PulledFile> Files { get; init; }

    /// <summary>Gets the checks of single tensors.</summary>
    public required TensorCheck Tensors { get; init; }

    /// <summary>Gets the bytes that an earlier, interrupted run had fetched.</summary>
    public required long ResumedBytes { get; init; }

    /// <summary>Gets what the user should know.</summary>
    public required ImmutableArray<string> Notes { get; init; }
}
