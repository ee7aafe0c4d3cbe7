namespace FlexKernel.Kernels;

/// <summary>Independent products that run in one parallel region; workers take panel after panel, so that none waits long for a slower one.</summary>
/// <remarks>Who computes a panel has no effect on its bits. Float32 panels only.</remarks>
internal sealed unsafe class PanelQueue<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private readonly WorkerTeam _team;
    private readonly ParallelPart _part;
    private readonly List<Product> _products = [];
    private int _panels;
    private int _taken;

    public PanelQueue(WorkerTeam team) => (_team, _part) = (team, MultiplyPart);

    /// <summary>Queues <c>y = x Wᵀ</c>, or with <paramref name="add"/> <c>y = y + x Wᵀ</c>; no other product of the region has the same y.</summary>
    public void Add(PackedRows x, PackedMatrix matrix, Activations y, bool add)
    {
        _products.Add(new Product(x, matrix, y, add));
        _panels += matrix.PanelCount;
    }

    /// <summary>Runs the queued products.</summary>
    public void Run()
    {
        try
        {
            _taken = 0;
            _team.Run(_part);
        }
        finally
        {
            _products.Clear();
            _panels = 0;
        }
    }

    private void MultiplyPart(int worker, int workers)
    {
        int panel;
        while ((panel = Interlocked.Increment(ref _taken) - 1) < _panels)
        {
            int index = 0;
            while (panel >= _products[index].Matrix.PanelCount)
            {
                panel -= _products[index++].Matrix.PanelCount;
            }

            (PackedRows x, PackedMatrix matrix, Activations y, bool add) = _products[index];
            Products.Multiply<TLanes>(x, matrix, panel, panel + 1, y.Pointer, y.Stride, add, scratch: null);
        }
    }

    private readonly record struct Product(PackedRows X, PackedMatrix Matrix, Activations Y, bool Add);
}
