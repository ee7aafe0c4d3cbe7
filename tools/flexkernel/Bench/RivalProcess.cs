using System.Diagnostics;

namespace FlexKernel.Cli.Bench;

/// <summary>Runs another engine's program to its end.</summary>
internal static class RivalProcess
{
    private const int TailCharacters = 2000;

    /// <summary>Runs a program.</summary>
    /// <param name="program">Its path or name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="CliException">It cannot be run, or fails.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static string Run(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using Process process = Start(start);
        using CancellationTokenRegistration stop = cancellationToken.Register(() => Kill(process));
        Task<string> error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        cancellationToken.ThrowIfCancellationRequested();
        return process.ExitCode == 0
            ? output
            : throw CliException.NotLoaded($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {Tail(error.GetAwaiter().GetResult())}");
    }

    /// <summary>The end of what a program printed, for errors.</summary>
    public static string Tail(string text) => text.Trim() is var trimmed && trimmed.Length > TailCharacters ? trimmed[^TailCharacters..] : trimmed;

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw CliException.NotLoaded($"--rival: {start.FileName} cannot be run: {e.Message}");
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended.
        }
    }
}
