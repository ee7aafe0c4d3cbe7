namespace FlexKernel.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    /// <summary>Everything was done.</summary>
    public const int Ok = 0;

    /// <summary>A check failed, or input data is malformed.</summary>
    public const int Failed = 1;

    /// <summary>The command line asks for something that does not exist or makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>A model or a file cannot be loaded.</summary>
    public const int NotLoaded = 3;

    /// <summary>A defect of the program.</summary>
    public const int Internal = 4;

    /// <summary>Stopped by Ctrl-C or a request to terminate.</summary>
    public const int Interrupted = 130;

    /// <summary>The codes for a person, as help and documents show them.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (Ok, "done"),
        (Failed, "a check failed, or input data is malformed"),
        (Usage, "the command line is wrong"),
        (NotLoaded, "a model or a file cannot be loaded"),
        (Internal, "a defect of the program: please report it"),
        (Interrupted, "interrupted by Ctrl-C"),
    ];
}

/// <summary>An error to be told in one line.</summary>
/// <param name="exitCode">One of <see cref="ExitCode"/>.</param>
/// <param name="message">What is wrong and what would be right.</param>
internal sealed class CliException(int exitCode, string message) : Exception(message)
{
    /// <summary>What the process returns.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>The command line asks for something that does not exist or makes no sense.</summary>
    public static CliException Usage(string message) => new(Cli.ExitCode.Usage, message);

    /// <summary>A model or a file cannot be loaded.</summary>
    public static CliException NotLoaded(string message) => new(Cli.ExitCode.NotLoaded, message);

    /// <summary>Input data is malformed, or there is none.</summary>
    public static CliException BadData(string message) => new(Cli.ExitCode.Failed, message);
}
