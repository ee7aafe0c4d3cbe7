namespace FlexKernel.Kernels;

/// <summary>One scratch arena for each share of a region: no two threads have the same share.</summary>
internal sealed class WorkerArenas : IDisposable
{
    private readonly Arena[] _arenas;

    public WorkerArenas(int shares)
    {
        _arenas = new Arena[shares];
        for (int i = 0; i < shares; i++)
        {
            _arenas[i] = new Arena();
        }
    }

    public Arena this[int share] => _arenas[share];

    public void Dispose() => Array.ForEach(_arenas, arena => arena.Dispose());
}
