namespace FlexKernel.Distribution;

/// <summary>Why a model could not be fetched.</summary>
public enum PullError
{
    /// <summary>The address is neither a directory nor an http, https or file address of a directory.</summary>
    AddressInvalid,

    /// <summary>The address or a redirect asks for a connection that is not encrypted.</summary>
    InsecureConnection,

    /// <summary>The source does not have a file that a model needs.</summary>
    NotFound,

    /// <summary>The source refuses a file to who asks.</summary>
    AccessDenied,

    /// <summary>A redirect leads nowhere acceptable.</summary>
    RedirectRefused,

    /// <summary>A response breaks a rule of HTTP, or is not what was asked for.</summary>
    ResponseInvalid,

    /// <summary>The source answered too often with failures, or not at all.</summary>
    GaveUp,

    /// <summary>A file of the source changed while it was fetched.</summary>
    SourceChanged,

    /// <summary>A file of the source is larger than its kind may be.</summary>
    TooLarge,

    /// <summary>A list of SHA-256 sums is malformed.</summary>
    SumsInvalid,

    /// <summary>Bytes do not have the SHA-256 sum that was stated for them.</summary>
    DigestMismatch,

    /// <summary>The destination, or the directory of its partial download, holds something else or is in use.</summary>
    DestinationOccupied,
}

/// <summary>A model cannot be fetched; the message names the file, what was expected and what was found.</summary>
/// <param name="error">The cause.</param>
/// <param name="message">The whole message; never holds credentials.</param>
/// <param name="innerException">The error underneath, or null.</param>
public sealed class PullException(PullError error, string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Gets the cause.</summary>
    public PullError Error { get; } = error;
}
