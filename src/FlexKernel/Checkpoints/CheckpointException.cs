using System.Globalization;
using System.Text;

namespace FlexKernel.Checkpoints;

/// <summary>A checkpoint cannot be used as it is; the base of every load error.</summary>
public class CheckpointException : Exception
{
    private const int MaxQuoted = 128;

    /// <summary>Describes what is wrong with a checkpoint.</summary>
    /// <param name="error">The cause.</param>
    /// <param name="file">The file at fault, as it was given or found.</param>
    /// <param name="expected">What the file should hold, a phrase that completes "expected".</param>
    /// <param name="found">What it holds, a phrase that completes "found"; text from the file goes through <see cref="Quote"/>.</param>
    /// <param name="tensor">The tensor at fault, or null.</param>
    /// <param name="innerException">The error underneath, or null.</param>
    public CheckpointException(
        CheckpointError error, string file, string expected, string found, string? tensor = null, Exception? innerException = null)
        : base(Describe(error, file, expected, found, tensor), innerException)
    {
        Error = error;
        File = file;
        Tensor = tensor;
    }

    /// <summary>Describes what is wrong in a message of its own.</summary>
    /// <param name="error">The cause.</param>
    /// <param name="file">The file at fault.</param>
    /// <param name="message">The whole message, without the code.</param>
    /// <param name="innerException">The error underneath, or null.</param>
    protected CheckpointException(CheckpointError error, string file, string message, Exception? innerException)
        : base($"{message} ({error.Code()})", innerException)
    {
        Error = error;
        File = file;
    }

    /// <summary>Gets the cause.</summary>
    public CheckpointError Error { get; }

    /// <summary>Gets the stable code and name of the cause, for example <c>FK-ST-001 HeaderTooSmall</c>.</summary>
    public string Code => Error.Code();

    /// <summary>Gets the file at fault.</summary>
    public string File { get; }

    /// <summary>Gets the name of the tensor at fault exactly as stored, or null; quote it before it reaches a log or terminal.</summary>
    public string? Tensor { get; }

    /// <summary>Makes text from a file safe to show: quoted, control and format characters escaped, at most 128 characters.</summary>
    /// <param name="text">The text.</param>
    public static string Quote(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (Rune rune in text.AsSpan(0, Math.Min(text.Length, MaxQuoted)).EnumerateRunes())
        {
            if (rune.Value is '"' or '\\')
            {
                quoted.Append('\\').Append((char)rune.Value);
            }
            else if (IsShown(rune))
            {
                quoted.Append(rune);
            }
            else
            {
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
        }

        return quoted.Append(text.Length > MaxQuoted ? "...\"" : "\"").ToString();
    }

    // Format characters include the marks that reorder text and so could fake another name.
    private static bool IsShown(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    private static string Describe(CheckpointError error, string file, string expected, string found, string? tensor)
    {
        string where = tensor is null ? file : $"{file}: tensor {Quote(tensor)}";
        return $"{where}: expected {expected}, found {found} ({error.Code()}).";
    }
}
