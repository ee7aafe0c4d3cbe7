namespace FlexKernel.Cli;

/// <summary>Ctrl-C: ends the program, unless a verb has something smaller to end.</summary>
internal sealed class Interrupts
{
    private Action? _handler;

    /// <summary>Takes Ctrl-C until disposed.</summary>
    public IDisposable Capture(Action handler)
    {
        Volatile.Write(ref _handler, handler);
        return new Release(this);
    }

    /// <summary>Tells whoever took Ctrl-C.</summary>
    /// <returns>False if nobody did.</returns>
    public bool TryRaise()
    {
        Action? handler = Volatile.Read(ref _handler);
        handler?.Invoke();
        return handler is not null;
    }

    private sealed class Release(Interrupts interrupts) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref interrupts._handler, null);
    }
}
