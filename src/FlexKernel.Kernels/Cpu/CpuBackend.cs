namespace FlexKernel.Kernels;

/// <summary>Makes the CPU backend for a path.</summary>
public static class CpuBackend
{
    /// <summary>Starts a backend with its worker threads.</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Worker threads, the caller included.</param>
    public static Backend Create(KernelPath path, int threads) => path switch
    {
        KernelPath.Bits512 => new CpuBackend<Lanes512>(path, threads),
        KernelPath.Bits256 => new CpuBackend<Lanes256>(path, threads),
        KernelPath.Bits128 => new CpuBackend<Lanes128>(path, threads),
        KernelPath.Scalar => new CpuBackend<LanesScalar>(path, threads),
        _ => throw new ArgumentOutOfRangeException(nameof(path), path, "Unknown path."),
    };
}

/// <summary>The operations on the CPU, at one vector width.</summary>
/// <typeparam name="TLanes">The vectors.</typeparam>
internal sealed unsafe class CpuBackend<TLanes> : Backend
    where TLanes : struct, ILanes<TLanes>
{
    private readonly KernelPath _path;
    private readonly WorkerTeam _team;
    private readonly ProductRegion<TLanes> _region;
    private readonly Arena _arena = new();
    private readonly Attention<TLanes> _attention;
    private readonly FeedForward<TLanes> _feedForward;

    public CpuBackend(KernelPath path, int threads)
    {
        _path = path;
        _team = new WorkerTeam(threads);
        _region = new ProductRegion<TLanes>(_team);
        _attention = new Attention<TLanes>(_team);
        _feedForward = new FeedForward<TLanes>(_team, _region, _arena);
    }

    public override string Description =>
        $"CPU, {(_path == KernelPath.Scalar ? "scalar" : $"{(int)_path}-bit")} path, {_team.Workers} thread{(_team.Workers == 1 ? "" : "s")}";

    public override void Embed(PackedMatrix table, ReadOnlySpan<int> tokens, Activations destination)
    {
        CheckColumns(table.Columns, destination);
        CheckRows(tokens.Length, destination);
        for (int i = 0; i < tokens.Length; i++)
        {
            table.ReadRow(tokens[i], destination.Row(i));
            destination.ClearPadding(i);
        }
    }

    public override void RmsNorm(Activations x, int rows, Activations gain, float epsilon, Activations destination)
    {
        CheckRows(rows, x, destination);
        CheckColumns(x.Columns, gain, destination);
        for (int row = 0; row < rows; row++)
        {
            Norms.RmsNorm<TLanes>(x.RowPointer(row), gain.Pointer, x.Columns, epsilon, destination.RowPointer(row));
        }
    }

    public override void AddRmsNorm(Activations x, int rows, Activations gain, float epsilon, Activations residual)
    {
        CheckRows(rows, x, residual);
        CheckColumns(x.Columns, gain, residual);
        for (int row = 0; row < rows; row++)
        {
            Norms.AddRmsNorm<TLanes>(x.RowPointer(row), gain.Pointer, x.Columns, epsilon, residual.RowPointer(row));
        }
    }

    public override void Add(Activations x, int rows, Activations residual)
    {
        CheckRows(rows, x, residual);
        CheckColumns(x.Columns, residual);
        for (int row = 0; row < rows; row++)
        {
            float* source = x.RowPointer(row), target = residual.RowPointer(row);
            for (int i = 0; i < x.Stride; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(target + i) + TLanes.Load(source + i), target + i);
            }
        }
    }

    public override void Project(Activations x, int rows, ReadOnlySpan<Projection> projections)
    {
        CheckRows(rows, x);
        foreach (Projection projection in projections)
        {
            CheckRows(rows, projection.Destination);
            CheckColumns(projection.Weight.Columns, x);
            CheckColumns(projection.Weight.Rows, projection.Destination);
            if (projection.Bias is not null)
            {
                CheckColumns(projection.Weight.Rows, projection.Bias);
            }
        }

        if (rows == 0)
        {
            return;
        }

        bool floats = false, bytes = false;
        foreach (Projection projection in projections)
        {
            bytes |= projection.Weight.Format.IsQuantized();
            floats |= !projection.Weight.Format.IsQuantized();
        }

        _arena.Reset(Arena.Size<float>(PackedRows.Size(rows, x.Columns)) + QuantizedRows.Size(rows, x.Columns));
        float* data = floats ? _arena.Take<float>(PackedRows.Size(rows, x.Columns)) : null;
        QuantizedRows quantized = bytes ? QuantizedRows.Take(_arena, rows, x.Columns) : default;
        PackedRows packed = _region.Pack(x.Pointer, x.Stride, null, rows, x.Columns, data, quantized);
        _region.RunPackings();
        foreach (Projection projection in projections)
        {
            _region.Multiply(packed, projection.Weight, projection.Destination.Pointer, projection.Destination.Stride, projection.Bias);
        }

        _region.RunProducts();
    }

    public override void PrepareAttention(
        RaggedBatch batch, AttentionPreparation preparation, Activations queries, Activations keys, Activations values, KvStorage cache, int layer)
    {
        CheckRows(batch.Rows, queries, keys, values);
        CheckColumns(cache.Heads * cache.HeadDimension, keys, values);
        CheckAttention(queries, cache, layer);
        if (preparation.Rotary.Dimension != cache.HeadDimension)
        {
            throw new ArgumentException($"The rotary table is for heads of {preparation.Rotary.Dimension}, expected {cache.HeadDimension}.", nameof(preparation));
        }

        if (preparation.QueryGain is not null)
        {
            CheckColumns(queries.Columns, preparation.QueryGain);
        }

        if (preparation.KeyGain is not null)
        {
            CheckColumns(keys.Columns, preparation.KeyGain);
        }

        _attention.Prepare(batch, preparation, queries, keys, values, cache, layer);
    }

    public override void Attend(RaggedBatch batch, Activations queries, KvStorage cache, int layer, int? window, Activations destination)
    {
        if (window < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(window), window, "A row sees at least its own position.");
        }

        CheckRows(batch.Rows, queries, destination);
        CheckColumns(queries.Columns, destination);
        CheckAttention(queries, cache, layer);
        _attention.Run(batch, queries, cache, layer, window, destination);
    }

    public override void Route(RaggedBatch batch, Activations logits, bool renormalise, RoutingTable destination)
    {
        CheckRows(batch.Rows, logits);
        CheckRows(batch.Rows, destination);
        foreach (RaggedBatch.SequenceSpan span in batch.Spans)
        {
            CheckPolicy(span.Routing, logits.Columns, destination.ActiveExperts);
        }

        for (int row = 0; row < batch.Rows; row++)
        {
            RoutingPolicy policy = batch.Routing(row);
            Router.Route<TLanes>(logits.Row(row), policy.Allowed, policy.ActiveExperts, renormalise, destination, row);
        }
    }

    public override void FeedForward(Activations x, int rows, FeedForwardWeights weights, RoutingTable? routing, Activations destination)
    {
        CheckRows(rows, x, destination);
        CheckColumns(weights.HiddenSize, x, destination);
        if (routing is not null)
        {
            CheckRows(rows, routing);
        }

        if (rows > 0)
        {
            _feedForward.Run(x, rows, weights, routing, destination);
        }
    }

    public override void GatherRows(Activations x, ReadOnlySpan<int> rows, Activations destination)
    {
        CheckRows(rows.Length, destination);
        CheckColumns(x.Columns, destination);
        for (int i = 0; i < rows.Length; i++)
        {
            x.Row(rows[i]).CopyTo(destination.Row(i));
            destination.ClearPadding(i);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _team.Dispose();
            _region.Dispose();
            _attention.Dispose();
            _feedForward.Dispose();
            _arena.Dispose();
        }
    }

    private static void CheckRows(int rows, params ReadOnlySpan<Activations> all)
    {
        foreach (Activations activations in all)
        {
            if ((uint)rows > (uint)activations.Rows)
            {
                throw new ArgumentException($"{rows} rows asked of activations with {activations.Rows} rows.");
            }
        }
    }

    private static void CheckRows(int rows, RoutingTable routing)
    {
        if (rows > routing.Rows)
        {
            throw new ArgumentException($"{rows} rows asked of a routing table with {routing.Rows} rows.", nameof(routing));
        }
    }

    private static void CheckAttention(Activations queries, KvStorage cache, int layer)
    {
        if (queries.Columns % (cache.Heads * cache.HeadDimension) != 0)
        {
            throw new ArgumentException(
                $"Queries have {queries.Columns} columns, expected a multiple of {cache.Heads} heads of {cache.HeadDimension}.", nameof(queries));
        }

        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, cache.Layers);
    }

    private static void CheckPolicy(RoutingPolicy policy, int experts, int most)
    {
        int[] allowed = policy.Allowed;
        if (allowed.Length == 0 || policy.ActiveExperts < 1 || Math.Min(policy.ActiveExperts, allowed.Length) > most)
        {
            throw new ArgumentException($"{policy.ActiveExperts} of {allowed.Length} allowed experts; expected 1 to {most} of at least 1.", nameof(policy));
        }

        for (int i = 0; i < allowed.Length; i++)
        {
            if (allowed[i] <= (i == 0 ? -1 : allowed[i - 1]) || allowed[i] >= experts)
            {
                throw new ArgumentException($"Allowed expert {allowed[i]}: the indices must ascend from 0 and stay below {experts}.", nameof(policy));
            }
        }
    }

    private static void CheckColumns(int columns, params ReadOnlySpan<Activations> all)
    {
        foreach (Activations activations in all)
        {
            if (activations.Columns != columns)
            {
                throw new ArgumentException($"Activations have {activations.Columns} columns, expected {columns}.");
            }
        }
    }
}
