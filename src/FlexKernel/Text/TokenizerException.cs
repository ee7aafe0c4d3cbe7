using FlexKernel.Checkpoints;

namespace FlexKernel.Text;

/// <summary>Says why a tokenizer file cannot be used, or why its pattern gave up on a text.</summary>
public sealed class TokenizerException : CheckpointException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="file">The name of the file.</param>
    /// <param name="key">The path of the JSON value at fault, for example <c>model.merges[3]</c>; empty for the file as a whole.</param>
    /// <param name="problem">What was expected and what was found.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public TokenizerException(string file, string key, string problem, Exception? innerException = null)
        : base(CheckpointError.TokenizerInvalid, file, key.Length == 0 ? $"{file}: {problem}" : $"{file}: {key}: {problem}", innerException)
    {
        Key = key;
    }

    /// <summary>The path of the JSON value at fault; empty for the file as a whole.</summary>
    public string Key { get; }
}
