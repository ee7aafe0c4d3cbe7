namespace FlexKernel.Sampling;

/// <summary>Why no token could be drawn.</summary>
public enum SamplingFailure
{
    /// <summary>A logit is not a number or infinitely large: the model's output is broken.</summary>
    NotFinite,

    /// <summary>Every id is banned: by the options, or by the caller's mask.</summary>
    NothingLeft,
}

/// <summary>The error of a draw that has no valid outcome; nothing is drawn and the history stays as it was.</summary>
/// <param name="failure">Why.</param>
/// <param name="message">What was found, and where.</param>
public sealed class SamplingException(SamplingFailure failure, string message) : Exception(message)
{
    /// <summary>Why no token could be drawn.</summary>
    public SamplingFailure Failure { get; } = failure;
}
