namespace FlexKernel.Kernels;

/// <summary>Independent products and packings that run in one parallel region, their panels shared out by cost.</summary>
internal sealed unsafe class ProductRegion<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    // Reading a panel costs about as much as multiplying it with this many rows.
    private const int PanelReadCost = 4;

    // Products of many rows are long: of several shares a worker that is interrupted, or slower than the others, does fewer. Each rereads the rows.
    private const int MostSharesPerWorker = 4;
    private const int PanelsPerShare = 8;
    private const int ManyRows = 32;

    private readonly WorkerTeam _team;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _packPart;
    private readonly ParallelPart _multiplyPart;
    private readonly List<Packing> _packings = [];
    private readonly List<Product> _products = [];

    public ProductRegion(WorkerTeam team)
    {
        _team = team;
        _packPart = PackPart;
        _multiplyPart = MultiplyPart;
        _scratch = new WorkerArenas(team.Workers * MostSharesPerWorker);
    }

    /// <summary>Queues rows to be packed into <paramref name="data"/>; a single row is not copied.</summary>
    /// <param name="x">The first source row; padded with zeros to whole pairs.</param>
    /// <param name="stride">Floats from row to row.</param>
    /// <param name="index">Which source row each row is, or null for the rows in order.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Values per row.</param>
    /// <param name="data"><see cref="PackedRows.Size"/> floats; unused for a single row; null if no matrix reads floats.</param>
    /// <param name="quantized">Room for the rows as bytes; default if no matrix reads them.</param>
    public PackedRows Pack(float* x, int stride, int* index, int rows, int columns, float* data, QuantizedRows quantized = default)
    {
        PackedRows packed = new() { Data = data, Rows = rows, Columns = columns, Quantized = quantized };
        if (rows == 1)
        {
            packed.Data = x + (index == null ? 0 : (long)index[0] * stride);
            if (quantized.Rows > 0)
            {
                quantized.Quantize(0, packed.Data);
            }
        }
        else
        {
            _packings.Add(new Packing(packed, (nint)x, stride, (nint)index));
        }

        return packed;
    }

    /// <summary>Runs the queued packings.</summary>
    public void RunPackings()
    {
        if (_packings.Count > 0)
        {
            Run(_packPart, _packings, _team.Workers);
        }
    }

    /// <summary>Queues <c>y = x Wᵀ (+ bias)</c>, or with <paramref name="add"/> <c>y = y + x Wᵀ (+ bias)</c>.</summary>
    public void Multiply(PackedRows x, PackedMatrix matrix, float* y, int stride, Activations? bias = null, bool add = false) =>
        _products.Add(new Product(x, matrix, (nint)y, stride, bias, add));

    /// <summary>Runs the queued products.</summary>
    public void RunProducts()
    {
        if (_products.Count > 0)
        {
            Run(_multiplyPart, _products, Shares());
        }
    }

    public void Dispose() => _scratch.Dispose();

    private int Shares()
    {
        if (_team.Workers == 1)
        {
            return 1;
        }

        int panels = 0;
        foreach (Product product in _products)
        {
            panels += product.X.Rows < ManyRows ? 0 : product.Matrix.PanelCount;
        }

        return Math.Clamp(panels / PanelsPerShare, _team.Workers, _team.Workers * MostSharesPerWorker);
    }

    // What failed must not run again with the next region: its pointers may be gone by then.
    private void Run<T>(ParallelPart part, List<T> queue, int shares)
    {
        try
        {
            _team.Run(part, shares);
        }
        finally
        {
            queue.Clear();
        }
    }

    private void PackPart(int worker, int workers)
    {
        foreach (Packing packing in _packings)
        {
            Quantize(packing, worker, workers);
            if (packing.Rows.Data == null)
            {
                continue;
            }

            foreach ((int begin, int rows) in packing.Rows.Strips(TLanes.TileRows, worker, workers))
            {
                packing.Rows.PackStrip<TLanes>((float*)packing.Source, packing.Stride, (int*)packing.Index, begin, rows);
            }
        }
    }

    private static void Quantize(Packing packing, int worker, int workers)
    {
        QuantizedRows quantized = packing.Rows.Quantized;
        (int begin, int end) = WorkerTeam.Share(quantized.Rows, worker, workers);
        for (int row = begin; row < end; row++)
        {
            int source = packing.Index == 0 ? row : ((int*)packing.Index)[row];
            quantized.Quantize(row, (float*)packing.Source + (long)source * packing.Stride);
        }
    }

    private void MultiplyPart(int share, int shares)
    {
        _scratch[share].Reset(Arena.Size<float>(Products.ScratchSize));
        float* scratch = _scratch[share].Take<float>(Products.ScratchSize);
        long total = 0;
        foreach (Product product in _products)
        {
            total += product.PanelCost * product.Matrix.PanelCount;
        }

        long begin = total * share / shares, end = total * (share + 1) / shares, position = 0;
        foreach (Product product in _products)
        {
            int first = Panel(begin), last = Panel(end);
            if (first < last)
            {
                Products.Multiply<TLanes>(product.X, product.Matrix, first, last, (float*)product.Y, product.Stride, product.Add, scratch);
                AddBias(product, first, last);
            }

            position += product.PanelCost * product.Matrix.PanelCount;

            int Panel(long cost) => (int)Math.Clamp((cost - position) / product.PanelCost, 0, product.Matrix.PanelCount);
        }
    }

    private static void AddBias(Product product, int first, int last)
    {
        if (product.Bias is null)
        {
            return;
        }

        // The bias is padded like every row, so whole panels can be added.
        float* bias = product.Bias.Pointer;
        for (int row = 0; row < product.X.Rows; row++)
        {
            float* y = (float*)product.Y + (long)row * product.Stride;
            for (int i = first * PackedMatrix.PanelRows; i < last * PackedMatrix.PanelRows; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(y + i) + TLanes.Load(bias + i), y + i);
            }
        }
    }

    private readonly record struct Packing(PackedRows Rows, nint Source, int Stride, nint Index);

    private readonly record struct Product(PackedRows X, PackedMatrix Matrix, nint Y, int Stride, Activations? Bias, bool Add)
    {
        public long PanelCost => (X.Rows + PanelReadCost) * (long)Matrix.Columns;
    }
}
