using FlexKernel.Kernels;

namespace FlexKernel.Verification;

/// <summary>How a verification computes.</summary>
/// <param name="Path">The vector width.</param>
/// <param name="Threads">Worker threads.</param>
/// <param name="DataDirectory">Where large data (<c>corpora/</c>) lies, or null.</param>
public sealed record VerificationOptions(KernelPath Path, int Threads, string? DataDirectory = null);

/// <summary>How a case ended.</summary>
public enum VerificationStatus
{
    /// <summary>Everything holds.</summary>
    Passed,

    /// <summary>Something differs by more than allowed.</summary>
    Failed,

    /// <summary>Data that the case needs is absent.</summary>
    Skipped,
}

/// <summary>What a case found.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Checks">Comparisons made.</param>
/// <param name="WorstShare">The worst deviation as a share of its tolerance; above 1 fails.</param>
/// <param name="Worst">Which comparison that was.</param>
/// <param name="Messages">What failed or was left out, for a person.</param>
public sealed record VerificationResult(VerificationStatus Status, int Checks, double WorstShare, string Worst, IReadOnlyList<string> Messages);

/// <summary>One set of reference values in a directory.</summary>
/// <param name="directory">Where its files are.</param>
public abstract class VerificationCase(string directory)
{
    private static readonly VerificationKind[] Kinds =
    [
        new(ModelCase.IsAt, folder => new ModelCase(folder)),
        new(CountsCase.IsAt, folder => new CountsCase(folder)),
        new(MixtureCase.IsAt, folder => new MixtureCase(folder)),
        new(SamplingCase.IsAt, folder => new SamplingCase(folder)),
        new(EmbedCase.IsAt, folder => new EmbedCase(folder)),
        new(ChatCase.IsAt, folder => new ChatCase(folder)),
        new(EvalCase.IsAt, folder => new EvalCase(folder)),
    ];

    /// <summary>Where its files are.</summary>
    public string Directory { get; } = directory;

    /// <summary>What is compared, for a person.</summary>
    public abstract string Kind { get; }

    /// <summary>Compares everything; an error in the files or the engine is a failure of the case, not an exception.</summary>
    public VerificationResult Run(VerificationOptions options, CancellationToken cancellationToken = default)
    {
        Comparison comparison = new();
        try
        {
            Compare(comparison, options, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            comparison.Fail($"{e.GetType().Name}: {e.Message}");
        }

        return comparison.Result;
    }

    /// <summary>Finds every case below a directory, in path order.</summary>
    /// <param name="directory">Where to look, at any depth.</param>
    /// <param name="more">Kinds of other libraries, tried after those of this one.</param>
    /// <exception cref="DirectoryNotFoundException">The directory does not exist.</exception>
    public static IReadOnlyList<VerificationCase> Find(string directory, params IEnumerable<VerificationKind> more)
    {
        List<VerificationCase> cases = [];
        VerificationKind[] kinds = [.. Kinds, .. more];
        IEnumerable<string> directories = System.IO.Directory.EnumerateDirectories(directory, "*", SearchOption.AllDirectories).Append(directory);
        foreach (string folder in directories.Order(StringComparer.Ordinal))
        {
            if (Array.Find(kinds, kind => kind.IsAt(folder)) is { } kind)
            {
                cases.Add(kind.Create(folder));
            }
        }

        return cases;
    }

    private protected abstract void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken);
}
