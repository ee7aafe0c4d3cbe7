namespace FlexKernel.Evaluation;

/// <summary>A file of texts or questions that cannot be used; the message names file, line, the expected and the found.</summary>
public sealed class EvaluationException : Exception
{
    /// <summary>Creates the error of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="line">The line, from 1; 0 for the file as a whole.</param>
    /// <param name="problem">What was expected and what was found.</param>
    /// <param name="innerException">The cause, if any.</param>
    public EvaluationException(string file, long line, string problem, Exception? innerException = null)
        : base(line == 0 ? $"{file}: {problem}" : $"{file}, line {line}: {problem}", innerException)
    {
        File = file;
        Line = line;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The line, from 1; 0 for the file as a whole.</summary>
    public long Line { get; }
}
