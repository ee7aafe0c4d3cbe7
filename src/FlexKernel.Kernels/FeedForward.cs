namespace FlexKernel.Kernels;

/// <summary>
/// The fused mixture of full and low-rank experts: <c>y = Σ_roots [ Down( Σ_i p_i h_i ) + Σ_i p_i B_i^d (A_i^d h_i) ]</c> with
/// <c>h_i = silu(g + B_i^g (A_i^g x)) ⊙ (u + B_i^u (A_i^u x))</c> and <c>g = Gate x</c>, <c>u = Up x</c> once per root.
/// </summary>
/// <remarks>
/// Arithmetic and proof: FlexMoRE's semantics with the linear parts factored out; a full expert is its root's correction of rank 0.
/// Rows are grouped by root, and within a root by expert, both in ascending index, so that a row's sums have one order whatever else is
/// in the batch. Four regions: products of x; a block of 256 inner values after the other: silu, accumulation, and A of the experts' down
/// projections, while the values are in the cache; the down projections of roots; B, and the sum. A short one between adds up the block sums of A.
/// </remarks>
internal sealed unsafe partial class FeedForward<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private const int PanelRows = PackedMatrix.PanelRows;
    private const int BlockColumns = PackedMatrix.BlockColumns;
    private const int BlockPanels = BlockColumns / PanelRows;

    // So many rows of a block of gate and up values, and as many packed, stay in the second-level cache beside the factors they meet.
    private const int RowsAtOnce = 48;

    private readonly WorkerTeam _team;
    private readonly ProductRegion<TLanes> _region;
    private readonly Arena _arena;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _activatePart;
    private readonly ParallelPart _sumBlocksPart;
    private readonly ParallelPart _downPart;
    private readonly List<Member> _members = [];
    private readonly List<Group> _groups = [];
    private readonly List<Correction> _corrections = [];
    private FeedForwardWeights _weights = null!;
    private Activations _destination = null!;
    private int _rows;

    public FeedForward(WorkerTeam team, ProductRegion<TLanes> region, Arena arena)
    {
        _team = team;
        _region = region;
        _arena = arena;
        _activatePart = ActivatePart;
        _sumBlocksPart = SumBlocksPart;
        _downPart = DownPart;
        _scratch = new WorkerArenas(team.Workers);
    }

    /// <summary>See <see cref="Backend.FeedForward"/>.</summary>
    public void Run(Activations x, int rows, FeedForwardWeights weights, RoutingTable? routing, Activations destination)
    {
        (_weights, _destination, _rows) = (weights, destination, rows);
        _members.Clear();
        _groups.Clear();
        _corrections.Clear();
        _arena.Reset(ArenaSize(rows, weights, routing));
        GroupRows(rows, routing);

        foreach (ref Group group in Span(_groups))
        {
            FullWeights root = weights.Roots[group.Root];
            group.X = Pack(x.Pointer, x.Stride, group.Rows, group.Count, weights.HiddenSize, root.Gate, root.Up);
        }

        foreach (ref Member member in Span(_members))
        {
            if (member.CorrectionCount > 0)
            {
                member.X = Pack(x.Pointer, x.Stride, member.Rows, member.Count, weights.HiddenSize);
            }
        }

        _region.RunPackings();
        QueueInputProducts();
        _region.RunProducts();
        PackRankInputs();
        _team.Run(_activatePart);
        if (_corrections.Count > 0)
        {
            _team.Run(_sumBlocksPart);
        }

        PackDownInputs();
        QueueDownProducts();
        _region.RunProducts();
        _team.Run(_downPart);
    }

    public void Dispose() => _scratch.Dispose();

    private static Span<T> Span<T>(List<T> list) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(list);

    private static int Padded(int columns) => PackedMatrix.RoundUp(columns, PanelRows);

    private int InnerStride => Activations.StrideOf(_weights.InnerSize);

    private int HiddenStride => Activations.StrideOf(_weights.HiddenSize);

    // Rows for full matrices, which may be quantised, or for low-rank factors, which are not.
    private PackedRows Pack(float* x, int stride, int* index, int rows, int columns, params ReadOnlySpan<PackedMatrix> readers)
    {
        bool bytes = false, floats = readers.IsEmpty;
        foreach (PackedMatrix reader in readers)
        {
            bytes |= reader.Format.IsQuantized();
            floats |= !reader.Format.IsQuantized();
        }

        float* data = floats && rows > 1 ? _arena.Take<float>(PackedRows.Size(rows, columns)) : null;
        return _region.Pack(x, stride, index, rows, columns, data, bytes ? QuantizedRows.Take(_arena, rows, columns) : default);
    }

    // The small products first: how long they take is less certain, and what is begun last should end when expected.
    private void QueueInputProducts()
    {
        int inner = InnerStride;
        foreach (ref Member member in Span(_members))
        {
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                correction.Gate = QueueRankProduct(member.X, correction.Weights.GateA);
                correction.Up = QueueRankProduct(member.X, correction.Weights.UpA);
                correction.DownBlocks = _arena.Take<float>((long)Blocks(_weights) * member.Count * Padded(correction.Weights.DownA.Rows));
            }
        }

        foreach (ref Group group in Span(_groups))
        {
            FullWeights root = _weights.Roots[group.Root];
            _region.Multiply(group.X, root.Gate, group.Gate, inner, root.GateBias);
            _region.Multiply(group.X, root.Up, group.Up, inner, root.UpBias);
        }
    }

    private float* QueueRankProduct(PackedRows x, PackedMatrix a)
    {
        float* ranks = _arena.Take<float>((long)x.Rows * Padded(a.Rows));
        _region.Multiply(x, a, ranks, Padded(a.Rows));
        return ranks;
    }

    private void PackRankInputs()
    {
        foreach (ref Member member in Span(_members))
        {
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                correction.PackedGate = PackRanks(correction.Gate, member.Count, correction.Weights.GateA.Rows);
                correction.PackedUp = PackRanks(correction.Up, member.Count, correction.Weights.UpA.Rows);
            }
        }

        _region.RunPackings();
    }

    private PackedRows PackRanks(float* ranks, int rows, int rank) => Pack(ranks, Padded(rank), null, rows, rank);

    // One worker's part of the inner width. What takes the place of a root's gate is the weighted sum of its experts' inner values.
    private void ActivatePart(int worker, int workers)
    {
        foreach (ref Group group in Span(_groups))
        {
            if (IsPlain(group))
            {
                (int begin, int end) = WorkerTeam.Share(Padded(_weights.InnerSize) / PanelRows, worker, workers);
                ActivatePlain(group, begin * PanelRows, (end - begin) * PanelRows);
            }
            else
            {
                (int begin, int end) = WorkerTeam.Share(Blocks(_weights), worker, workers);
                ActivateMembers(group, worker, begin, end);
            }
        }
    }

    // A full expert that no correction of the batch stands on.
    private bool IsPlain(in Group group) => group.MemberCount == 1 && _members[group.FirstMember].CorrectionCount == 0;

    private void ActivatePlain(in Group group, int column, int width)
    {
        int inner = InnerStride;
        float* weights = _members[group.FirstMember].Weights;
        for (int row = 0; row < group.Count; row++)
        {
            float* gate = group.Gate + (long)row * inner + column, up = group.Up + (long)row * inner + column;
            TLanes weight = TLanes.Broadcast(weights[row]);
            for (int i = 0; i < width; i += TLanes.Count)
            {
                TLanes.Store(TLanes.FusedMultiplyAdd(weight, Vectors.Silu(TLanes.Load(gate + i)) * TLanes.Load(up + i), TLanes.Zero), gate + i);
            }
        }
    }

    // Block by block: for each expert in order, some rows at a time, its gate and up, silu, its share of the sum, and A of its down projection.
    private void ActivateMembers(in Group group, int worker, int begin, int end)
    {
        int inner = InnerStride;
        Scratch scratch = WorkerScratch(worker);
        for (int block = begin; block < end; block++)
        {
            int column = block * BlockColumns, width = Math.Min(BlockColumns, Padded(_weights.InnerSize) - column);
            new Span<float>(scratch.Sums, group.Count * width).Clear();
            foreach (ref Member member in Span(_members).Slice(group.FirstMember, group.MemberCount))
            {
                if (member.CorrectionCount == 0)
                {
                    Activate(member, 0, member.Count, group.Gate + column, group.Up + column, inner, member.GroupRows, scratch.Sums, width);
                    continue;
                }

                for (int row = 0, last; row < member.Count; row = last)
                {
                    last = member.X.BlockEnd(row, RowsAtOnce);
                    ActivateRows(group, member, row, last, block, width, scratch);
                }
            }

            for (int row = 0; row < group.Count; row++)
            {
                new ReadOnlySpan<float>(scratch.Sums + row * width, width).CopyTo(new Span<float>(group.Gate + (long)row * inner + column, width));
            }
        }
    }

    private void ActivateRows(in Group group, in Member member, int first, int last, int block, int width, in Scratch scratch)
    {
        int rows = last - first, inner = InnerStride, column = block * BlockColumns, panel = block * BlockPanels, end = panel + width / PanelRows;
        CopyColumns(group.Gate + column, inner, member.GroupRows + first, rows, scratch.Gates, width);
        CopyColumns(group.Up + column, inner, member.GroupRows + first, rows, scratch.Ups, width);
        foreach (ref Correction correction in CorrectionsOf(member))
        {
            AddPanels(correction.PackedGate, first, last, correction.Weights.GateB, panel, end, scratch.Gates, width, scratch.Product);
            AddPanels(correction.PackedUp, first, last, correction.Weights.UpB, panel, end, scratch.Ups, width, scratch.Product);
        }

        Activate(member, first, last, scratch.Gates, scratch.Ups, width, null, scratch.Sums, width);
        PackedRows values = new() { Data = scratch.Gates, Rows = rows, Columns = Math.Min(BlockColumns, _weights.InnerSize - column) };
        if (rows > 1)
        {
            values.Data = scratch.Packed;
            foreach ((int begin, int count) in values.Strips(TLanes.TileRows, 0, 1))
            {
                values.PackStrip<TLanes>(scratch.Gates, width, null, begin, count);
            }
        }

        foreach (ref Correction correction in CorrectionsOf(member))
        {
            int stride = Padded(correction.Weights.DownA.Rows);
            float* sums = correction.DownBlocks + ((long)block * member.Count + first) * stride;
            Products.MultiplyBlock<TLanes>(values, correction.Weights.DownA, block, sums, stride, scratch.Product);
        }
    }

    // The rows [first, last) of one expert, of which the first lies at gates and ups unless they are found by index. A correction's values stay there.
    private static void Activate(in Member member, int first, int last, float* gates, float* ups, int stride, int* index, float* sums, int width)
    {
        for (int row = first; row < last; row++)
        {
            TLanes weight = TLanes.Broadcast(member.Weights[row]);
            float* sum = sums + member.GroupRows[row] * width;
            long from = (long)(index == null ? row - first : index[row]) * stride;
            for (int i = 0; i < width; i += TLanes.Count)
            {
                TLanes h = Vectors.Silu(TLanes.Load(gates + from + i)) * TLanes.Load(ups + from + i);
                TLanes.Store(TLanes.FusedMultiplyAdd(weight, h, TLanes.Load(sum + i)), sum + i);
                if (index == null)
                {
                    TLanes.Store(h, gates + from + i);
                }
            }
        }
    }

    // The block sums of A h, added up in order into the place of the first, and weighted: p B (A h) = B (p A h).
    private void SumBlocksPart(int worker, int workers)
    {
        int blocks = Blocks(_weights);
        foreach (ref Member member in Span(_members))
        {
            (int begin, int end) = WorkerTeam.Share(member.Count, worker, workers);
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                int stride = Padded(correction.Weights.DownA.Rows);
                long size = (long)member.Count * stride;
                for (int row = begin; row < end; row++)
                {
                    TLanes weight = TLanes.Broadcast(member.Weights[row]);
                    float* ranks = correction.DownBlocks + (long)row * stride;
                    for (int i = 0; i < stride; i += TLanes.Count)
                    {
                        TLanes sum = TLanes.Load(ranks + i);
                        for (int block = 1; block < blocks; block++)
                        {
                            sum += TLanes.Load(ranks + block * size + i);
                        }

                        TLanes.Store(weight * sum, ranks + i);
                    }
                }
            }
        }
    }

    private void PackDownInputs()
    {
        int inner = InnerStride;
        foreach (ref Group group in Span(_groups))
        {
            group.Sum = Pack(group.Gate, inner, null, group.Count, _weights.InnerSize, _weights.Roots[group.Root].Down);
        }

        foreach (ref Member member in Span(_members))
        {
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                correction.PackedDown = PackRanks(correction.DownBlocks, member.Count, correction.Weights.DownA.Rows);
            }
        }

        _region.RunPackings();
    }

    private void QueueDownProducts()
    {
        int hidden = HiddenStride;
        foreach (ref Group group in Span(_groups))
        {
            group.Down = _arena.Take<float>((long)group.Count * hidden);
            _region.Multiply(group.Sum, _weights.Roots[group.Root].Down, group.Down, hidden);
        }
    }

    // One worker's panels of the output: to each root's down projection the corrections in order; roots add up in order.
    private void DownPart(int worker, int workers)
    {
        (int begin, int end) = WorkerTeam.Share(Padded(_weights.HiddenSize) / PanelRows, worker, workers);
        bool isCorrected = _corrections.Count > 0;
        int atOnce = isCorrected ? BlockPanels : Math.Max(end - begin, 1), stride = HiddenStride;
        Scratch scratch = isCorrected ? WorkerScratch(worker) : default;
        for (int panel = begin; panel < end; panel += atOnce)
        {
            int last = Math.Min(panel + atOnce, end), column = panel * PanelRows, width = (last - panel) * PanelRows;
            for (int row = 0; row < _rows; row++)
            {
                new Span<float>(_destination.RowPointer(row) + column, width).Clear();
            }

            foreach (ref Group group in Span(_groups))
            {
                foreach (ref Member member in Span(_members).Slice(group.FirstMember, group.MemberCount))
                {
                    AddCorrections(group, member, panel, last, scratch);
                }

                Activations? bias = _weights.Roots[group.Root].DownBias;
                for (int row = 0; row < group.Count; row++)
                {
                    float* outputs = group.Down + (long)row * stride + column;
                    AddOutputs(outputs, bias, group.WeightSums[row], column, width, _destination.RowPointer(group.Rows[row]) + column);
                }
            }
        }
    }

    private void AddCorrections(in Group group, in Member member, int panel, int end, in Scratch scratch)
    {
        if (member.CorrectionCount == 0)
        {
            return;
        }

        int stride = HiddenStride, width = (end - panel) * PanelRows;
        float* down = group.Down + (long)panel * PanelRows;
        for (int row = 0, last; row < member.Count; row = last)
        {
            last = member.X.BlockEnd(row, RowsAtOnce);
            CopyColumns(down, stride, member.GroupRows + row, last - row, scratch.Gates, width);
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                AddPanels(correction.PackedDown, row, last, correction.Weights.DownB, panel, end, scratch.Gates, width, scratch.Product);
            }

            for (int i = row; i < last; i++)
            {
                new ReadOnlySpan<float>(scratch.Gates + (i - row) * width, width).CopyTo(new Span<float>(down + (long)member.GroupRows[i] * stride, width));
            }
        }
    }

    // Every expert on the root has the bias, with its own weight.
    private static void AddOutputs(float* outputs, Activations? bias, float biasWeight, int column, int width, float* destination)
    {
        TLanes weight = TLanes.Broadcast(biasWeight);
        for (int i = 0; i < width; i += TLanes.Count)
        {
            TLanes value = TLanes.Load(outputs + i);
            if (bias is not null)
            {
                value = TLanes.FusedMultiplyAdd(weight, TLanes.Load(bias.Pointer + column + i), value);
            }

            TLanes.Store(TLanes.Load(destination + i) + value, destination + i);
        }
    }

    // Adds a low-rank product to the panels [panel, end) of the rows [first, last), the first of which lies at rows.
    private static void AddPanels(PackedRows ranks, int first, int last, PackedMatrix b, int panel, int end, float* rows, int stride, float* scratch) =>
        Products.MultiplyRows<TLanes>(ranks, first, last, b, panel, end, rows - (long)first * stride - (long)panel * PanelRows, stride, add: true, scratch);

    private static void CopyColumns(float* source, int stride, int* index, int rows, float* destination, int width)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + (long)index[row] * stride, width).CopyTo(new Span<float>(destination + row * width, width));
        }
    }

    private static int Blocks(FeedForwardWeights weights) => (weights.InnerSize + BlockColumns - 1) / BlockColumns;

    private Scratch WorkerScratch(int worker)
    {
        Arena arena = _scratch[worker];

        // The last block of rows may be two rows higher; see PackedRows.BlockEnd.
        long block = (long)Math.Min(_rows, RowsAtOnce + 2) * BlockColumns, sums = (long)_rows * BlockColumns;
        arena.Reset(Arena.Size<float>(Products.ScratchSize) + 3 * Arena.Size<float>(block) + Arena.Size<float>(sums));
        return new Scratch
        {
            Product = arena.Take<float>(Products.ScratchSize),
            Gates = arena.Take<float>(block),
            Ups = arena.Take<float>(block),
            Packed = arena.Take<float>(block),
            Sums = arena.Take<float>(sums),
        };
    }

    private Span<Correction> CorrectionsOf(in Member member) => Span(_corrections).Slice(member.FirstCorrection, member.CorrectionCount);

    // What one worker needs beside the products' scratch: a block of columns of some rows, and their sums of all.
    private struct Scratch
    {
        public float* Product, Gates, Ups, Packed, Sums;
    }
}
