namespace FlexKernel.Kernels;

/// <summary>
/// The operations of training on the CPU: each file holds one, forward and backward. Matrices are the rows of one sequence.
/// </summary>
/// <remarks>
/// Backward operations add to the gradients they are given. Sums over rows run in blocks of 256 rows from the first, each from zero, added in
/// order; threads divide rows, outputs, columns or heads, never a sum. So gradients have the same bits on every path and thread count.
/// </remarks>
internal abstract partial class TrainingKernels : IDisposable
{
    /// <summary>Rows summed from zero before they are added to a gradient: the block of k of a product.</summary>
    public const int BlockRows = PackedMatrix.BlockColumns;

    private protected TrainingKernels(int threads) => Team = new WorkerTeam(threads);

    /// <summary>The threads.</summary>
    public WorkerTeam Team { get; }

    /// <summary>Where the matrices of a sequence take their memory.</summary>
    public NativeMemoryPool Pool { get; } = new();

    /// <summary>Starts the threads of one path.</summary>
    public static TrainingKernels Create(KernelPath path, int threads) => path switch
    {
        KernelPath.Bits512 => new TrainingKernels<Lanes512>(threads),
        KernelPath.Bits256 => new TrainingKernels<Lanes256>(threads),
        KernelPath.Bits128 => new TrainingKernels<Lanes128>(threads),
        KernelPath.Scalar => new TrainingKernels<LanesScalar>(threads),
        _ => throw new ArgumentOutOfRangeException(nameof(path), path, "Unknown path."),
    };

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Team.Dispose();
        Pool.Dispose();
    }

    private protected static void CheckShape(Activations matrix, int rows, int columns)
    {
        if (matrix.Rows != rows || matrix.Columns != columns)
        {
            throw new ArgumentException($"A matrix [{matrix.Rows}, {matrix.Columns}], expected [{rows}, {columns}].");
        }
    }

    // A share of the items for each worker.
    private protected void ForEachRange(int count, Action<int, int> body) => Team.Run((worker, workers) =>
    {
        (int begin, int end) = WorkerTeam.Share(count, worker, workers);
        body(begin, end);
    });

    private protected void ForEach(int count, Action<int> body) => Team.Run((worker, workers) =>
    {
        (int begin, int end) = WorkerTeam.Share(count, worker, workers);
        for (int i = begin; i < end; i++)
        {
            body(i);
        }
    });
}

/// <summary>The operations at one vector width.</summary>
/// <typeparam name="TLanes">The vectors.</typeparam>
internal sealed unsafe partial class TrainingKernels<TLanes> : TrainingKernels
    where TLanes : struct, ILanes<TLanes>
{
    private readonly PanelQueue<TLanes> _products;
    private readonly Arena _arena = new();
    private readonly WorkerArenas _scratch;

    public TrainingKernels(int threads)
        : base(threads)
    {
        _scratch = new WorkerArenas(threads);
        _products = new PanelQueue<TLanes>(Team);
    }

    public override void Dispose()
    {
        base.Dispose();
        _products.Dispose();
        _arena.Dispose();
        _scratch.Dispose();
    }
}
