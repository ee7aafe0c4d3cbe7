using System.Runtime.InteropServices;

namespace FlexKernel.Cli;

/// <summary>Connects the command line to the process: its streams and its signals.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using CancellationTokenSource stop = new();
        Terminal terminal = Terminal.Open();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await App.RunAsync(args, terminal, stop.Token);

        void Interrupt(PosixSignalContext context)
        {
            context.Cancel = terminal.Interrupts.TryRaise();
            if (!context.Cancel)
            {
                Stop(context);
            }
        }

        // The first signal asks for a clean end; the second one ends the process as if nobody listened.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }
}
