using System.Text.Json;
using FlexKernel.Checkpoints;

namespace FlexKernel.Model;

/// <summary>A model configuration that cannot be used; the message names the file, the key, the expected and the found value.</summary>
public sealed class ModelConfigException : CheckpointException
{
    /// <summary>Creates the error of one key.</summary>
    /// <param name="file">The file, or another name of the source.</param>
    /// <param name="key">The key, dotted inside nested objects; empty when the file as a whole is at fault.</param>
    /// <param name="expected">What would have been accepted.</param>
    /// <param name="found">What stands there.</param>
    /// <param name="innerException">The cause, if any.</param>
    public ModelConfigException(string file, string key, string expected, string found, Exception? innerException = null)
        : base(
            CheckpointError.ConfigurationInvalid,
            file,
            key.Length == 0
                ? $"{file}: expected {expected}, found {found}"
                : $"{file}: '{key}': expected {expected}, found {found}",
            innerException)
    {
        Key = key;
    }

    /// <summary>The key, dotted inside nested objects; empty when the file as a whole is at fault.</summary>
    public string Key { get; }

    internal static string Show(JsonElement value)
    {
        const int Longest = 80;
        string text = value.GetRawText();
        return text.Length <= Longest ? text : string.Concat(text.AsSpan(0, Longest), "…");
    }
}
