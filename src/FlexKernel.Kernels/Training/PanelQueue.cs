namespace FlexKernel.Kernels;

/// <summary>Independent products that run in one parallel region; workers take part after part of them.</summary>
/// <remarks>
/// Every product is divided among all workers: two products of equal size, one each, are not done at the same time when the outputs of one lie
/// further away. A part has several panels, which read a block of the rows from the second-level cache. Who computes a panel has no effect on
/// its bits.
/// </remarks>
internal sealed unsafe class PanelQueue<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int PartsPerWorker = 2;

    private readonly WorkerTeam _team;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _part;
    private readonly List<Product> _products = [];
    private int _taken;

    /// <summary>Creates an empty queue.</summary>
    /// <param name="team">Who computes.</param>
    /// <param name="scratch">The memory of the workers, which the products overwrite.</param>
    public PanelQueue(WorkerTeam team, WorkerArenas scratch) => (_team, _scratch, _part) = (team, scratch, MultiplyPart);

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
        _scratch[worker].Reset(Arena.Size<float>(Products.ScratchSize));
        float* scratch = _scratch[worker].Take<float>(Products.ScratchSize);
        int parts = PartsPerWorker * workers, part;
        while ((part = Interlocked.Increment(ref _taken) - 1) < _products.Count * parts)
        {
            (PackedRows x, PackedMatrix matrix, Activations y, bool add) = _products[part / parts];
            (int begin, int end) = WorkerTeam.Share(matrix.PanelCount, part % parts, parts);
            Products.Multiply<TLanes>(x, matrix, begin, end, y.Pointer, y.Stride, add, scratch);
        }
    }

    private readonly record struct Product(PackedRows X, PackedMatrix Matrix, Activations Y, bool Add);
}
