namespace FlexKernel.Kernels;

/// <summary>Independent products that run in one parallel region; workers take part after part of them.</summary>
/// <remarks>
/// Every product is divided among all workers: two products of equal size, one each, are not done at the same time when the outputs of one lie
/// further away. A part has several panels, which read a block of the rows from the second-level cache. Who computes a panel has no effect on
/// its bits. Float32 panels only.
/// </remarks>
internal sealed unsafe class PanelQueue<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int PartsPerWorker = 2;

    private readonly WorkerTeam _team;
    private readonly ParallelPart _part;
    private readonly List<Product> _products = [];
    private int _taken;

    public PanelQueue(WorkerTeam team) => (_team, _part) = (team, MultiplyPart);

    /// <summary>Queues <c>y = x Wᵀ</c>, or with <paramref name="add"/> <c>y = y + x Wᵀ</c>; no other product of the region has the same y.</summary>
    public void Add(PackedRows x, PackedMatrix matrix, Activations y, bool add) => _products.Add(new Product(x, matrix, y, add));

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
        }
    }

    private void MultiplyPart(int worker, int workers)
    {
        int parts = PartsPerWorker * workers, part;
        while ((part = Interlocked.Increment(ref _taken) - 1) < _products.Count * parts)
        {
            (PackedRows x, PackedMatrix matrix, Activations y, bool add) = _products[part / parts];
            (int begin, int end) = WorkerTeam.Share(matrix.PanelCount, part % parts, parts);
            Products.Multiply<TLanes>(x, matrix, begin, end, y.Pointer, y.Stride, add, scratch: null);
        }
    }

    private readonly record struct Product(PackedRows X, PackedMatrix Matrix, Activations Y, bool Add);
}
