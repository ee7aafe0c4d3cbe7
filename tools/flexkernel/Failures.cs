using System.Text.Json;
using FlexKernel.Caching;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using FlexKernel.Distribution;
using FlexKernel.Evaluation;
using FlexKernel.Model;
using FlexKernel.Sampling;
using FlexKernel.Text;
using FlexKernel.Training.Data;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli;

/// <summary>Tells why a command ended early, and finds its exit code.</summary>
internal static class Failures
{
    // EPIPE, ERROR_BROKEN_PIPE, ERROR_NO_DATA.
    private static readonly int[] ClosedPipe = [32, unchecked((int)0x8007006D), unchecked((int)0x800700E8)];

    /// <summary>Tells an error.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Report(Exception exception, Terminal terminal)
    {
        if (IsClosedPipe(exception) || IsClosedPipe(Flush(terminal)))
        {
            return ExitCode.Ok;
        }

        int exitCode = Code(exception);
        if (exitCode == ExitCode.Internal)
        {
            terminal.Error.WriteLine($"unexpected error: {exception}");
            terminal.Error.WriteLine("This is a defect of flexkernel. Please report it with the command line and the text above.");
        }
        else if (exitCode != ExitCode.Interrupted)
        {
            terminal.Note($"error: {Message(exception)}", Ink.Bad);
        }

        return exitCode;
    }

    private static int Code(Exception exception) => exception switch
    {
        CliException e => e.ExitCode,
        OperationCanceledException => ExitCode.Interrupted,
        EvaluationException => ExitCode.Failed,
        JsonException or KvCacheFullException or SamplingException => ExitCode.Failed,
        ChatTemplateException => ExitCode.Failed,
        ArgumentException or PlatformNotSupportedException => ExitCode.Usage,
        CheckpointException or ModelConfigException or TensorLayoutException or TokenizerException => ExitCode.NotLoaded,
        PullException { Error: PullError.AddressInvalid } => ExitCode.Usage,
        PullException { Error: PullError.DigestMismatch } => ExitCode.Failed,
        PullException => ExitCode.NotLoaded,
        RunException => ExitCode.NotLoaded,
        TrainingDataException => ExitCode.Failed,
        IOException or UnauthorizedAccessException or OutOfMemoryException => ExitCode.NotLoaded,
        _ => ExitCode.Internal,
    };

    // An argument exception ends with the name of a parameter, which is none of the user's.
    internal static string Message(Exception exception)
    {
        int end = exception is ArgumentException ? exception.Message.IndexOf(" (Parameter '", StringComparison.Ordinal) : -1;
        return end < 0 ? exception.Message : exception.Message[..end];
    }

    // What was written before the error belongs to whoever reads it; if that fails too, the first error is the one to tell.
    private static Exception? Flush(Terminal terminal)
    {
        try
        {
            terminal.Out.Flush();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private static bool IsClosedPipe(Exception? exception) => exception is IOException && ClosedPipe.Contains(exception.HResult);
}
