namespace FlexKernel.Training.Data;

/// <summary>A file of training data that cannot be used; the message names file, place, the expected and the found.</summary>
public sealed class TrainingDataException : Exception
{
    /// <summary>Creates the error of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="problem">What was expected and what was found.</param>
    /// <param name="number">The line of a JSONL file or the document of a text, from 1; 0 for the file as a whole.</param>
    /// <param name="innerException">The cause, if any.</param>
    public TrainingDataException(string file, string problem, long number = 0, Exception? innerException = null)
        : base($"{file}{(number == 0 ? "" : SourceFile.IsJsonLines(file) ? $", line {number}" : $", document {number}")}: {problem}", innerException)
    {
        File = file;
        Number = number;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The line of a JSONL file or the document of a text, from 1; 0 for the file as a whole.</summary>
    public long Number { get; }
}
