namespace FlexKernel.Kernels;

/// <summary>One scratch arena for each worker of a team.</summary>
internal sealed class WorkerArenas : IDisposable
{
    private readonly Arena[] _arenas;

    public WorkerArenas(int workers)
    {
        _arenas = new Arena[workers];
        for (int i = 0; i < workers; i++)
        {
            _arenas[i] = new Arena();
        }
    }

    public Arena this[int worker] => _arenas[worker];

    public void Dispose() => Array.ForEach(_arenas, arena => arena.Dispose());
}
