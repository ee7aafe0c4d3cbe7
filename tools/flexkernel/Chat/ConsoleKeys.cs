namespace FlexKernel.Cli.Chat;

/// <summary>The keys of this process's console; Ctrl-C is one of them while they are read.</summary>
internal sealed class ConsoleKeys : IKeys
{
    public bool IsWaiting => Console.KeyAvailable;

    public ConsoleKeyInfo? Read()
    {
        Console.TreatControlCAsInput = true;
        try
        {
            return Console.ReadKey(intercept: true);
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }
}
