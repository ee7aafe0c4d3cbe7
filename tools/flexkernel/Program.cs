using System.Runtime.InteropServices;

namespace FlexKernel.Cli;

/// <summary>Connects the command line to the process: its streams and its signals.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await App.RunAsync(args, Terminal.Open(), stop.Token);

        // The first signal asks for a clean end; the second one ends the process as if nobody listened.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }
}
