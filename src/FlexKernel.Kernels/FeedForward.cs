namespace FlexKernel.Kernels;

/// <summary>
/// The fused mixture of full and low-rank experts: <c>y = Σ_roots [ Down( Σ_i p_i h_i ) + Σ_i p_i B_i^d (A_i^d h_i) ]</c> with
/// <c>h_i = silu(g + B_i^g (A_i^g x)) ⊙ (u + B_i^u (A_i^u x))</c> and <c>g = Gate x</c>, <c>u = Up x</c> once per root.
/// </summary>
/// <remarks>
/// Arithmetic and proof: FlexMoRE's semantics with the linear parts factored out; a full expert is its root's correction of rank 0.
/// Rows are grouped by root, and within a root by expert, both in ascending index, so that a row's sums have one order whatever else is
/// in the batch. Four regions: products of x; silu and accumulation; the down projections of roots, and A of those of experts; B, and the sum.
/// </remarks>
internal sealed unsafe partial class FeedForward<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private const int PanelRows = PackedMatrix.PanelRows;
    private const int MostPanelsAtOnce = 8;
    private const int MostRowsOfPanels = 4096;

    private readonly WorkerTeam _team;
    private readonly ProductRegion<TLanes> _region;
    private readonly Arena _arena;
    private readonly WorkerArenas _scratch;
    private readonly ParallelPart _activatePart;
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
        PackInner();
        QueueDownProducts();
        _region.RunProducts();
        WeightAndPackDownRanks();
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

    private void QueueInputProducts()
    {
        int inner = InnerStride;
        foreach (ref Group group in Span(_groups))
        {
            FullWeights root = _weights.Roots[group.Root];
            _region.Multiply(group.X, root.Gate, group.Gate, inner, root.GateBias);
            _region.Multiply(group.X, root.Up, group.Up, inner, root.UpBias);
        }

        foreach (ref Member member in Span(_members))
        {
            if (member.CorrectionCount > 0)
            {
                member.Inner = _arena.Take<float>((long)member.Count * inner);
            }

            foreach (ref Correction correction in CorrectionsOf(member))
            {
                correction.Gate = QueueRankProduct(member.X, correction.Weights.GateA);
                correction.Up = QueueRankProduct(member.X, correction.Weights.UpA);
            }
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

    // One worker's panels of the inner width. What takes the place of a root's gate is the weighted sum of its experts' inner values.
    private void ActivatePart(int worker, int workers)
    {
        (int begin, int end) = WorkerTeam.Share(Padded(_weights.InnerSize) / PanelRows, worker, workers);
        foreach (ref Group group in Span(_groups))
        {
            if (IsPlain(group))
            {
                ActivatePlain(group, begin * PanelRows, (end - begin) * PanelRows);
            }
            else
            {
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

    // Panel by panel: for each expert in order its gate and up, silu, and its share of the sum.
    private void ActivateMembers(in Group group, int worker, int begin, int end)
    {
        int inner = InnerStride;
        float* scratch = WorkerScratch(worker, out float* gates, out float* ups, out float* sums);
        for (int panel = begin; panel < end; panel += PanelsAtOnce)
        {
            int last = Math.Min(panel + PanelsAtOnce, end), column = panel * PanelRows, width = (last - panel) * PanelRows;
            new Span<float>(sums, group.Count * width).Clear();
            foreach (ref Member member in Span(_members).Slice(group.FirstMember, group.MemberCount))
            {
                if (member.CorrectionCount == 0)
                {
                    Activate(member, group.Gate + column, group.Up + column, inner, member.GroupRows, sums, column, width);
                    continue;
                }

                CopyPanels(group.Gate + column, inner, member.GroupRows, member.Count, gates, width);
                CopyPanels(group.Up + column, inner, member.GroupRows, member.Count, ups, width);
                foreach (ref Correction correction in CorrectionsOf(member))
                {
                    AddPanels(correction.PackedGate, correction.Weights.GateB, panel, last, gates, width, scratch);
                    AddPanels(correction.PackedUp, correction.Weights.UpB, panel, last, ups, width, scratch);
                }

                Activate(member, gates, ups, width, null, sums, column, width);
            }

            for (int row = 0; row < group.Count; row++)
            {
                new ReadOnlySpan<float>(sums + row * width, width).CopyTo(new Span<float>(group.Gate + (long)row * inner + column, width));
            }
        }
    }

    private void Activate(in Member member, float* gates, float* ups, int stride, int* index, float* sums, int column, int width)
    {
        int inner = InnerStride;
        for (int row = 0; row < member.Count; row++)
        {
            TLanes weight = TLanes.Broadcast(member.Weights[row]);
            float* sum = sums + member.GroupRows[row] * width;
            long from = (long)(index == null ? row : index[row]) * stride;
            for (int i = 0; i < width; i += TLanes.Count)
            {
                TLanes h = Vectors.Silu(TLanes.Load(gates + from + i)) * TLanes.Load(ups + from + i);
                TLanes.Store(TLanes.FusedMultiplyAdd(weight, h, TLanes.Load(sum + i)), sum + i);
                if (member.Inner != null)
                {
                    TLanes.Store(h, member.Inner + (long)row * inner + column + i);
                }
            }
        }
    }

    private void PackInner()
    {
        int inner = InnerStride;
        foreach (ref Group group in Span(_groups))
        {
            group.Sum = Pack(group.Gate, inner, null, group.Count, _weights.InnerSize, _weights.Roots[group.Root].Down);
        }

        foreach (ref Member member in Span(_members))
        {
            if (member.CorrectionCount > 0)
            {
                member.PackedInner = Pack(member.Inner, inner, null, member.Count, _weights.InnerSize);
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

        foreach (ref Member member in Span(_members))
        {
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                correction.Down = QueueRankProduct(member.PackedInner, correction.Weights.DownA);
            }
        }
    }

    private void WeightAndPackDownRanks()
    {
        foreach (ref Member member in Span(_members))
        {
            foreach (ref Correction correction in CorrectionsOf(member))
            {
                int rank = correction.Weights.DownA.Rows, stride = Padded(rank);
                for (int row = 0; row < member.Count; row++)
                {
                    TLanes weight = TLanes.Broadcast(member.Weights[row]);
                    float* ranks = correction.Down + (long)row * stride;
                    for (int i = 0; i < stride; i += TLanes.Count)
                    {
                        TLanes.Store(weight * TLanes.Load(ranks + i), ranks + i);
                    }
                }

                correction.PackedDown = PackRanks(correction.Down, member.Count, rank);
            }
        }

        _region.RunPackings();
    }

    // One worker's panels of the output: to each root's down projection the corrections in order; roots add up in order.
    private void DownPart(int worker, int workers)
    {
        (int begin, int end) = WorkerTeam.Share(Padded(_weights.HiddenSize) / PanelRows, worker, workers);
        int atOnce = _corrections.Count == 0 ? Math.Max(end - begin, 1) : PanelsAtOnce, stride = HiddenStride;
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
                    AddCorrections(group, member, worker, panel, last);
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

    private void AddCorrections(in Group group, in Member member, int worker, int panel, int last)
    {
        if (member.CorrectionCount == 0)
        {
            return;
        }

        int stride = HiddenStride, width = (last - panel) * PanelRows;
        float* scratch = WorkerScratch(worker, out float* outputs, out _, out _), down = group.Down + (long)panel * PanelRows;

        // A row alone, or an expert that every row chose, needs no gathering.
        bool isWhole = member.Count == group.Count;
        if (!isWhole)
        {
            CopyPanels(down, stride, member.GroupRows, member.Count, outputs, width);
        }

        foreach (ref Correction correction in CorrectionsOf(member))
        {
            AddPanels(correction.PackedDown, correction.Weights.DownB, panel, last, isWhole ? down : outputs, isWhole ? stride : width, scratch);
        }

        for (int row = 0; row < member.Count && !isWhole; row++)
        {
            new ReadOnlySpan<float>(outputs + row * width, width).CopyTo(new Span<float>(down + (long)member.GroupRows[row] * stride, width));
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

    // Adds a low-rank product to rows of the panels [panel, last).
    private static void AddPanels(PackedRows ranks, PackedMatrix b, int panel, int last, float* rows, int stride, float* scratch) =>
        Products.Multiply<TLanes>(ranks, b, panel, last, rows - (long)panel * PanelRows, stride, add: true, scratch);

    private static void CopyPanels(float* source, int stride, int* index, int rows, float* destination, int width)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + (long)index[row] * stride, width).CopyTo(new Span<float>(destination + row * width, width));
        }
    }

    // Factors are streamed for longer, and rows copied in longer pieces, until scratch memory overflows the second-level cache by far.
    private int PanelsAtOnce => Math.Clamp(MostRowsOfPanels / _rows, 1, MostPanelsAtOnce);

    private float* WorkerScratch(int worker, out float* first, out float* second, out float* third)
    {
        Arena arena = _scratch[worker];
        long panel = (long)_rows * PanelsAtOnce * PanelRows;
        arena.Reset(Arena.Size<float>(Products.ScratchSize) + 3 * Arena.Size<float>(panel));
        first = arena.Take<float>(panel);
        second = arena.Take<float>(panel);
        third = arena.Take<float>(panel);
        return arena.Take<float>(Products.ScratchSize);
    }

    private Span<Correction> CorrectionsOf(in Member member) => Span(_corrections).Slice(member.FirstCorrection, member.CorrectionCount);
}
