using System.Collections.Immutable;
using System.Text;
using FlexKernel.Checkpoints;

namespace FlexKernel.Model;

/// <summary>How a tensor of a checkpoint differs from what the model needs.</summary>
public enum TensorDefectKind
{
    /// <summary>The model needs it and no file has it.</summary>
    Missing,

    /// <summary>A file has it and the model has no use for it.</summary>
    Unexpected,

    /// <summary>Its shape is not the expected one.</summary>
    Misshapen,

    /// <summary>Its element type cannot be read.</summary>
    Mistyped,

    /// <summary>Its name occurs more than once.</summary>
    Duplicate,
}

/// <summary>One difference between a checkpoint and its model.</summary>
/// <param name="Kind">The kind of difference.</param>
/// <param name="Name">The tensor.</param>
/// <param name="Detail">Expected and found value.</param>
public readonly record struct TensorDefect(TensorDefectKind Kind, string Name, string Detail);

/// <summary>A checkpoint whose tensors do not fit its configuration; all differences are counted, the first of each kind listed.</summary>
public sealed class TensorLayoutException : CheckpointException
{
    /// <summary>The most differences of one kind that are listed.</summary>
    public const int ListedPerKind = 20;

    internal TensorLayoutException(
        string file, IReadOnlyDictionary<TensorDefectKind, int> counts, ImmutableArray<TensorDefect> defects)
        : base(CheckpointError.LayoutMismatch, file, Describe(file, counts, defects), null)
    {
        Counts = counts;
        Defects = defects;
    }

    /// <summary>The number of differences of each kind that occurs.</summary>
    public IReadOnlyDictionary<TensorDefectKind, int> Counts { get; }

    /// <summary>The differences, at most <see cref="ListedPerKind"/> of each kind.</summary>
    public ImmutableArray<TensorDefect> Defects { get; }

    private static string Describe(
        string file, IReadOnlyDictionary<TensorDefectKind, int> counts, ImmutableArray<TensorDefect> defects)
    {
        StringBuilder text = new($"{file}: the tensors do not fit the configuration: ");
        text.AppendJoin(", ", counts.Select(pair => $"{pair.Value} {Label(pair.Key)}"));
        foreach ((TensorDefectKind kind, int count) in counts)
        {
            foreach (TensorDefect defect in defects.Where(d => d.Kind == kind))
            {
                text.Append($"\n  {Label(kind)}: {Printable(defect.Name)}: {defect.Detail}");
            }

            if (count > ListedPerKind)
            {
                text.Append($"\n  {Label(kind)}: … and {count - ListedPerKind} more");
            }
        }

        return text.ToString();
    }

    // Names come from files and may hold anything, line breaks and megabytes included.
    private static string Printable(string name)
    {
        const int Longest = 160;
        ReadOnlySpan<char> kept = name.AsSpan(0, Math.Min(name.Length, Longest));
        string text = string.Create(kept.Length, kept, static (destination, source) =>
        {
            for (int i = 0; i < source.Length; i++)
            {
                destination[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        });
        return name.Length <= Longest ? text : $"{text}…";
    }

    private static string Label(TensorDefectKind kind) => kind switch
    {
        TensorDefectKind.Missing => "missing",
        TensorDefectKind.Unexpected => "unexpected",
        TensorDefectKind.Misshapen => "misshapen",
        TensorDefectKind.Mistyped => "mistyped",
        _ => "duplicate",
    };
}
