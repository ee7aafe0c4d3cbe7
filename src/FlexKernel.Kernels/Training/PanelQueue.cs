namespace FlexKernel.Kernels;

/// <summary>At most two independent products that run in one parallel region, product after product.</summary>
/// <remarks>
/// Every product is divided among all workers: two products of equal size, one each, are not done at the same time when the outputs of one lie
/// further away. A part has several panels, which read a block of the rows from the second-level cache. Who computes a panel has no effect on
/// its bits.
/// </remarks>
internal sealed unsafe class PanelQueue<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private const int PartsPerWorker = 2;
    private const int MostProducts = 2;

    private readonly WorkerTeam _team;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _part;
    private readonly List<Product> _products = [];

    public PanelQueue(WorkerTeam team)
    {
        (_team, _part) = (team, MultiplyPart);
        _scratch = new WorkerArenas(MostProducts * Parts);
    }

    /// <summary>Queues <c>y = x Wᵀ</c>, or with <paramref name="add"/> <c>y = y + x Wᵀ</c>; no other product of the region has the same y.</summary>
    public void Add(PackedRows x, PackedMatrix matrix, Activations y, bool add) => _products.Add(new Product(x, matrix, y, add));

    /// <summary>Runs the queued products, if there are any.</summary>
    public void Run()
    {
        if (_products.Count == 0)
        {
            return;
        }

        try
        {
            _team.Run(_part, _products.Count * Parts);
        }
        finally
        {
            _products.Clear();
        }
    }

    public void Dispose() => _scratch.Dispose();

    private int Parts => PartsPerWorker * _team.Workers;

    private void MultiplyPart(int share, int shares)
    {
        _scratch[share].Reset(Arena.Size<float>(Products.ScratchSize));
        float* scratch = _scratch[share].Take<float>(Products.ScratchSize);
        (PackedRows x, PackedMatrix matrix, Activations y, bool add) = _products[share / Parts];
        (int begin, int end) = WorkerTeam.Share(matrix.PanelCount, share % Parts, Parts);
        Products.Multiply<TLanes>(x, matrix, begin, end, y.Pointer, y.Stride, add, scratch);
    }

    private readonly record struct Product(PackedRows X, PackedMatrix Matrix, Activations Y, bool Add);
}
