namespace FlexKernel.Training.Runs;

/// <summary>A run that cannot begin, go on or be read; the message names the file and what is expected.</summary>
public sealed class RunException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, with what was expected and found.</param>
    /// <param name="innerException">What caused it, or null.</param>
    public RunException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
