namespace FlexKernel.Kernels;

/// <content>Which rows each root and each expert of a batch has, and the scratch memory that takes.</content>
internal sealed unsafe partial class FeedForward<TLanes>
{
    // Lists, for every expert that some row chose, its rows and weights; for every root, the union of its experts' rows.
    private void GroupRows(int rows, RoutingTable? routing)
    {
        int experts = _weights.Experts.Length;
        int* counts = _arena.Take<int>(experts);
        new Span<int>(counts, experts).Clear();
        for (int row = 0; row < rows; row++)
        {
            foreach (int expert in Chosen(routing, row))
            {
                if (expert >= experts)
                {
                    throw new ArgumentException($"Row {row} is routed to expert {expert}; the layer has {experts}.", nameof(routing));
                }

                if (_weights.Experts[expert].Root < 0)
                {
                    throw new ArgumentException($"Row {row} is routed to expert {expert}, which is not loaded.", nameof(routing));
                }

                counts[expert]++;
            }
        }

        for (int root = 0; root < _weights.Roots.Length; root++)
        {
            int firstMember = _members.Count;
            for (int expert = 0; expert < experts; expert++)
            {
                ExpertWeights weights = _weights.Experts[expert];
                if (weights.Root == root && counts[expert] > 0)
                {
                    _members.Add(new Member(expert, _corrections.Count, weights.Corrections.Length, counts[expert])
                    {
                        Rows = _arena.Take<int>(counts[expert]),
                        GroupRows = _arena.Take<int>(counts[expert]),
                        Weights = _arena.Take<float>(counts[expert]),
                    });
                    foreach (LowRankWeights correction in weights.Corrections)
                    {
                        _corrections.Add(new Correction(correction));
                    }
                }
            }

            if (_members.Count > firstMember)
            {
                AddGroup(root, firstMember, rows, routing);
            }
        }
    }

    private void AddGroup(int root, int firstMember, int rows, RoutingTable? routing)
    {
        int* groupRows = _arena.Take<int>(rows);
        float* groupWeights = _arena.Take<float>(rows);
        Span<Member> members = Span(_members)[firstMember..];
        int* filled = _arena.Take<int>(members.Length);
        new Span<int>(filled, members.Length).Clear();
        int count = 0;
        for (int row = 0; row < rows; row++)
        {
            bool any = false;
            float sum = 0;
            ReadOnlySpan<int> chosen = Chosen(routing, row);
            for (int i = 0; i < chosen.Length; i++)
            {
                float weight = routing is null ? 1f : routing.Weights(row)[i];
                for (int m = 0; m < members.Length; m++)
                {
                    if (members[m].Expert == chosen[i])
                    {
                        int n = filled[m]++;
                        members[m].Rows[n] = row;
                        members[m].GroupRows[n] = count;
                        members[m].Weights[n] = weight;
                        sum += weight;
                        any = true;
                    }
                }
            }

            if (any)
            {
                groupWeights[count] = sum;
                groupRows[count++] = row;
            }
        }

        int inner = InnerStride;
        _groups.Add(new Group(root, firstMember, members.Length, count)
        {
            Rows = groupRows,
            WeightSums = groupWeights,
            Gate = _arena.Take<float>((long)count * inner),
            Up = _arena.Take<float>((long)count * inner),
        });
    }

    private static ReadOnlySpan<int> Chosen(RoutingTable? routing, int row) => routing is null ? [0] : routing.Experts(row);

    // The most that a pass over these rows can take: every chosen expert's rows, every root's rows, every rank.
    private static long ArenaSize(int rows, FeedForwardWeights weights, RoutingTable? routing)
    {
        int active = routing is null ? 1 : routing.ActiveExperts;
        int experts = weights.Experts.Length;
        long inner = Activations.StrideOf(weights.InnerSize), hidden = Activations.StrideOf(weights.HiddenSize);
        long slots = Math.Min((long)rows * active, (long)rows * experts), members = Math.Min(experts, slots);
        long groups = Math.Min(weights.Roots.Length, members), groupSlots = Math.Min(slots, (long)rows * groups);
        long maxRanks = 0, maxDownRanks = 0, maxChain = 0;
        foreach (ExpertWeights expert in weights.Experts)
        {
            long ranks = 0, downRanks = 0;
            foreach (LowRankWeights c in expert.Corrections)
            {
                ranks += Padded(c.GateA.Rows) + Padded(c.UpA.Rows);
                downRanks += Padded(c.DownA.Rows);
            }

            maxRanks = Math.Max(maxRanks, ranks);
            maxDownRanks = Math.Max(maxDownRanks, downRanks);
            maxChain = Math.Max(maxChain, expert.Corrections.Length);
        }

        // A row of bytes with its scales and sums takes less than twice its columns, rounded up to a unit.
        long quantized = groupSlots * 2 * (PackedMatrix.RoundUp((int)hidden, Quantization.UnitColumns) + PackedMatrix.RoundUp((int)inner, Quantization.UnitColumns));
        long floats = groupSlots * (2 * hidden + 3 * inner) + (maxChain > 0 ? slots * (hidden + 2 * maxRanks + (Blocks(weights) + 1) * maxDownRanks) : 0);
        long ints = experts + 3 * slots + 2 * groups * rows + members;
        long pieces = 4 + groups * 16 + members * (8 + 6 * maxChain);
        return (floats + ints) * sizeof(float) + quantized + pieces * Arena.Size<byte>(1);
    }

    // The rows of one root: those of all its chosen experts, ascending.
    private struct Group(int root, int firstMember, int memberCount, int count)
    {
        public readonly int Root = root, FirstMember = firstMember, MemberCount = memberCount, Count = count;
        public int* Rows;
        public float* WeightSums, Gate, Up, Down;
        public PackedRows X, Sum;
    }

    // One chosen expert: its rows in the batch, the same rows within its root's, and their routing weights.
    private struct Member(int expert, int firstCorrection, int correctionCount, int count)
    {
        public readonly int Expert = expert, FirstCorrection = firstCorrection, CorrectionCount = correctionCount, Count = count;
        public int* Rows, GroupRows;
        public float* Weights;
        public PackedRows X;
    }

    // One link of a chosen expert's chain: A x, the sums of A h of each block of inner values, and what B takes of them.
    private struct Correction(LowRankWeights weights)
    {
        public readonly LowRankWeights Weights = weights;
        public float* Gate, Up, DownBlocks;
        public PackedRows PackedGate, PackedUp, PackedDown;
    }
}
