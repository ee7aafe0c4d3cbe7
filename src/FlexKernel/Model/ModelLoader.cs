using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Packing;

namespace FlexKernel.Model;

/// <summary>Reads a model directory into packed weights, streaming: memory holds the packed weights and one read buffer.</summary>
/// <remarks>Weights that <see cref="PackedModel"/> wrote are read as they are; others are packed on the way, on all threads, with an adapter
/// merged before if there is one: memory then holds its factors and one buffer more.</remarks>
public sealed class ModelLoader
{
    private readonly LoadOptions _options;
    private readonly ModelDescription _stored;
    private readonly HeldExperts _held;
    private readonly WeightPlan _plan;
    private readonly WorkerTeam _team;
    private readonly Dictionary<TensorSlot, PackedMatrix> _matrices = [];
    private readonly Dictionary<TensorSlot, Activations> _vectors = [];
    private readonly List<IDisposable> _owned = [];
    private readonly Dictionary<string, string> _digests = [];
    private readonly Dictionary<(int Layer, int Expert), LowRankWeights> _corrections = [];

    private ModelLoader(ModelDescription stored, LoadOptions options, WorkerTeam team)
    {
        _stored = stored;
        _options = options;
        _team = team;
        _held = HeldExperts.Of(stored.Mixture, options.Experts);
        _plan = new WeightPlan(stored, options, _held);
    }

    /// <summary>Loads a model.</summary>
    /// <param name="directory">A directory with <c>config.json</c> and safetensors weights.</param>
    /// <param name="options">What to do with the weights.</param>
    /// <param name="progress">Told how far the reading is.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    /// <exception cref="ModelConfigException">The configuration is not supported, or that of the adapter.</exception>
    /// <exception cref="ArgumentException">The experts to load are unknown or none, or leave out the base of one that stays; or packed weights
    /// are asked for in another format, or with an adapter.</exception>
    /// <exception cref="CheckpointException">A file is malformed, a tensor is missing, unexpected or misshapen, the adapter is one of another
    /// model, or memory does not suffice.</exception>
    /// <exception cref="IOException">The cache that was asked for cannot be written.</exception>
    public static ModelWeights Load(
        string directory, LoadOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new LoadOptions();
        ModelDescription stored = ModelConfigReader.Read(Path.Combine(directory, options.ConfigFile), options.ConfigOverrides);
        using WeightFiles files = WeightFiles.Open(directory);
        return options.Cache?.TryLoad(files, stored, directory, options, progress, cancellationToken)
            ?? Load(files, stored, directory, options, progress, cancellationToken);
    }

    internal static ModelWeights Load(
        WeightFiles files,
        ModelDescription stored,
        string directory,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken,
        IReadOnlyDictionary<string, string>? digests = null)
    {
        using WorkerTeam team = new(options.Threads ?? Environment.ProcessorCount);
        ModelLoader loader = new(stored, options, team);
        try
        {
            loader.Read(files, directory, progress, cancellationToken);
            return loader.Assemble(digests);
        }
        catch
        {
            loader._owned.ForEach(o => o.Dispose());
            throw;
        }
    }

    private void Read(WeightFiles files, string directory, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        PackedCatalogue packed = PackedCatalogue.Of(files);
        TensorMap map = new TensorLayout(_stored).Resolve(TensorShape.Of(files, packed), directory);
        CheckPacked(packed, map, directory);
        CheckMemory(files, packed, map, directory);
        using AdapterMerge? adapter = _options.Adapter is { } path ? new AdapterMerge(path, _stored, _plan.IsHeld) : null;
        StreamingMerge? merge = adapter is null
            ? null
            : new StreamingMerge(ConversionPlan.Merged(files, map, _stored, adapter, _options.RejectNonFinite), _team);
        CheckpointReadOptions reading = new()
        {
            RejectNonFinite = _options.RejectNonFinite,
            ComputeSha256 = _options.ComputeSha256 && _held.IsAll,
        };
        files.Load(Choose, reading, progress, cancellationToken);
        CutPacked(packed, map);
        foreach (SafetensorsFile file in files.Files)
        {
            if (file.Sha256 is { } digest)
            {
                _digests[Path.GetFileName(file.Path)] = digest;
            }
        }

        if (adapter is not null)
        {
            VerifyAdapter(adapter.Weights, reading, cancellationToken);
        }

        ITensorSink? Choose(TensorEntry entry) =>
            !map.Slots.TryGetValue(entry.Name, out TensorSlot slot) || !_plan.IsHeld(slot) ? null
            : packed.Tensors.TryGetValue(entry.Name, out PackedTensor tensor)
                ? new PackedSink(Matrix(slot, tensor.Rows, tensor.Columns, tensor.Format), entry, directory, _options.RejectNonFinite)
            : merge is null ? Sink(entry, slot)
            : merge.Before(entry, Sink(entry, slot));
    }

    private void VerifyAdapter(SafetensorsFile weights, CheckpointReadOptions reading, CancellationToken cancellationToken)
    {
        new WeightStream([weights], reading, null, cancellationToken).Run(_ => null);
        if (weights.Sha256 is { } digest)
        {
            _digests[weights.Path] = digest;
        }
    }

    // What was decided when weights were packed cannot be decided otherwise when they are loaded.
    private void CheckPacked(PackedCatalogue packed, TensorMap map, string directory)
    {
        if (_options.Adapter is { } adapter && !packed.IsEmpty)
        {
            throw new ArgumentException(
                $"{directory} holds packed weights, into which the adapter {adapter} cannot be merged; load the model they were packed from.", nameof(packed));
        }

        foreach ((string name, PackedTensor tensor) in packed.Tensors)
        {
            if (!map.Slots.TryGetValue(name, out TensorSlot slot))
            {
                continue;
            }

            if (_plan.AskedFormat(slot) is { } asked && asked != tensor.Format)
            {
                throw new ArgumentException(
                    $"{directory}: {name} is packed as {tensor.Format} and cannot be kept as {asked}; load the model it was packed from.", nameof(packed));
            }

            if (tensor.Scale != _plan.Scale(slot))
            {
                throw new CheckpointException(
                    CheckpointError.PackedTensorInvalid,
                    directory,
                    FormattableString.Invariant($"a tensor packed with the scale {_plan.Scale(slot)} of its expert"),
                    FormattableString.Invariant($"{tensor.Scale}"),
                    name);
            }

            TensorClass kind = WeightFormats.ClassOf(slot.Role);
            if (kind == TensorClass.Other || (kind == TensorClass.LowRank && tensor.Format.IsQuantized()))
            {
                throw new CheckpointException(
                    CheckpointError.PackedTensorInvalid, directory, kind == TensorClass.Other ? "a tensor that is not packed" : "F32 or BF16", $"{tensor.Format}", name);
            }
        }
    }

    private void CutPacked(PackedCatalogue packed, TensorMap map)
    {
        foreach (string name in packed.Tensors.Keys)
        {
            if (map.Slots.TryGetValue(name, out TensorSlot slot)
                && WeightFormats.ClassOf(slot.Role) == TensorClass.LowRank
                && _matrices.TryGetValue(slot, out PackedMatrix? whole))
            {
                bool isInner = slot.Role is TensorRole.GateA or TensorRole.UpA or TensorRole.DownA;
                (int rows, int columns) = isInner ? (_plan.Cut(whole.Rows), whole.Columns) : (whole.Rows, _plan.Cut(whole.Columns));
                if ((rows, columns) != (whole.Rows, whole.Columns))
                {
                    Cut(slot, whole, rows, columns);
                }
            }
        }
    }

    private void Cut(TensorSlot slot, PackedMatrix whole, int rows, int columns)
    {
        PackedMatrix cut = Matrix(slot, rows, columns, whole.Format);
        float[] row = new float[whole.Columns];
        for (int i = 0; i < rows; i++)
        {
            whole.ReadRow(i, row);
            cut.WriteRow(i, row);
        }

        whole.Dispose();
        _owned.Remove(whole);
    }

    private void CheckMemory(WeightFiles files, PackedCatalogue packed, TensorMap map, string directory)
    {
        CheckedSize needed = new(0, directory);
        foreach (StoredTensor tensor in files.Tensors)
        {
            if (map.Slots.TryGetValue(tensor.Entry.Name, out TensorSlot slot) && _plan.IsHeld(slot))
            {
                needed += packed.Tensors.ContainsKey(tensor.Entry.Name) ? (ulong)tensor.Entry.ByteCount : PackedBytes(tensor.Entry, slot);
            }
        }

        long limit = _options.MemoryLimit ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10 * 9;
        if (needed.ToInt64() > limit)
        {
            throw new CheckpointException(
                CheckpointError.MemoryExceeded, directory, $"weights that fit {limit:N0} bytes of memory", $"{needed.Value:N0} bytes of packed weights");
        }
    }

    private ulong PackedBytes(TensorEntry entry, TensorSlot slot)
    {
        if (entry.Shape.Length == 1)
        {
            return checked((ulong)entry.ElementCount * sizeof(float));
        }

        CheckedSize bytes = new(0, nameof(ModelLoader), entry.Name);
        foreach (PlannedMatrix matrix in _plan.Plan(entry, slot).Matrices)
        {
            bytes += checked((ulong)(matrix.Format.PanelBytes(matrix.Columns) * ((matrix.Rows + PackedMatrix.PanelRows - 1L) / PackedMatrix.PanelRows)));
        }

        return bytes.Value;
    }

    private ITensorSink Sink(TensorEntry entry, TensorSlot slot)
    {
        if (entry.Shape.Length == 1)
        {
            Activations vector = Own(new Activations(1, (int)entry.Shape[0]));
            _vectors[slot] = vector;
            return new VectorSink(vector, WeightPlan.TypeOf(entry));
        }

        PlannedTensor planned = _plan.Plan(entry, slot);
        PackedMatrix[] matrices = [.. planned.Matrices.Select(m => Matrix(m.Slot, m.Rows, m.Columns, m.Format))];
        return slot.Role == TensorRole.Router && !_held.IsAll
            ? new SomeRowsSink(matrices[0], _plan.AvailableExperts, planned.Type)
            : new RowSink(matrices, planned.Type, planned.Columns, planned.Scale, planned.Parts, _team);
    }

    private PackedMatrix Matrix(TensorSlot slot, int rows, int columns, WeightFormat format) =>
        _matrices[slot] = Own(new PackedMatrix(rows, columns, format));

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    private ModelWeights Assemble(IReadOnlyDictionary<string, string>? digests)
    {
        ModelDescription description = _stored.Mixture is { } mixture ? _stored with { Mixture = Effective(mixture) } : _stored;
        PackedMatrix embedding = _matrices[new TensorSlot(TensorRole.Embedding)];
        PackedMatrix head = _matrices.GetValueOrDefault(new TensorSlot(TensorRole.Head), embedding);
        LayerWeights[] layers = [.. Enumerable.Range(0, _stored.LayerCount).Select(layer => Layer(layer, description))];
        FreeUnused(layers);
        return new ModelWeights(description, embedding, head, _vectors[new TensorSlot(TensorRole.FinalNorm)], layers, _owned)
        {
            FileSha256 = digests ?? _digests,
        };
    }

    // The factors of experts that were written out, unless others stand on them.
    private void FreeUnused(LayerWeights[] layers)
    {
        HashSet<LowRankWeights> used = [.. layers.SelectMany(l => l.FeedForward.Experts).SelectMany(e => e.Corrections)];
        foreach (LowRankWeights unused in _corrections.Values.Where(c => !used.Contains(c)))
        {
            foreach (PackedMatrix factor in (PackedMatrix[])[unused.GateA, unused.GateB, unused.UpA, unused.UpB, unused.DownA, unused.DownB])
            {
                factor.Dispose();
                _owned.Remove(factor);
            }
        }
    }

    // Ranks as cut, and experts to be written out as full ones.
    private MixtureDescription Effective(MixtureDescription mixture)
    {
        ImmutableArray<ExpertDescription> experts =
            [.. mixture.Experts.Select(e => e with { Rank = _plan.Cut(e.Rank), IsAvailable = _held.IsAvailable(e.Index) })];
        double limit = _options.Densification switch
        {
            Densification.Never => double.PositiveInfinity,
            Densification.AboveBreakEven => (double)_stored.HiddenSize * _stored.IntermediateSize / (_stored.HiddenSize + _stored.IntermediateSize),
            _ => 0,
        };
        return mixture with
        {
            Experts = [.. experts.Select(e => _held.IsHeld(e.Index) && ChainRank(e) > limit
                ? e with { Rank = 0, Base = e.Index, Root = e.Index, Scale = 1f }
                : e)],
        };

        int ChainRank(ExpertDescription expert) => expert.IsFull ? 0 : expert.Rank + ChainRank(experts[expert.Base]);
    }

    private LayerWeights Layer(int layer, ModelDescription description) => new(
        _vectors[new TensorSlot(TensorRole.AttentionNorm, layer)],
        _vectors[new TensorSlot(TensorRole.FeedForwardNorm, layer)],
        _matrices[new TensorSlot(TensorRole.Query, layer)],
        _matrices[new TensorSlot(TensorRole.Key, layer)],
        _matrices[new TensorSlot(TensorRole.Value, layer)],
        _matrices[new TensorSlot(TensorRole.Output, layer)],
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.QueryBias, layer)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.KeyBias, layer)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.ValueBias, layer)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.OutputBias, layer)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.QueryNorm, layer)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.KeyNorm, layer)),
        _matrices.GetValueOrDefault(new TensorSlot(TensorRole.Router, layer)),
        FeedForward(layer, description));

    private FeedForwardWeights FeedForward(int layer, ModelDescription description)
    {
        if (description.Mixture is not { } mixture)
        {
            return new FeedForwardWeights(_stored.HiddenSize, _stored.IntermediateSize, [Full(layer, TensorSlot.None)], [new ExpertWeights(0, [])]);
        }

        List<FullWeights> roots = [];
        Dictionary<int, int> rootOf = [];
        foreach (ExpertDescription expert in mixture.Experts)
        {
            if (expert.IsFull && _held.IsHeld(expert.Index))
            {
                rootOf[expert.Index] = roots.Count;
                roots.Add(_stored.Mixture!.Experts[expert.Index].IsFull
                    ? Full(layer, expert.Index)
                    : Densifier.Materialise(Full(layer, _stored.Mixture.Experts[expert.Index].Root), Chain(layer, expert.Index, _stored.Mixture), Own));
            }
        }

        // A base that was written out is no longer a base: the chain runs on the stored experts.
        ExpertWeights[] experts = [.. mixture.Experts.Select(e => !_held.IsHeld(e.Index) ? ExpertWeights.NotLoaded
            : e.IsFull ? new ExpertWeights(rootOf[e.Index], [])
            : new ExpertWeights(rootOf[e.Root], Chain(layer, e.Index, _stored.Mixture!)))];
        return new FeedForwardWeights(_stored.HiddenSize, _stored.IntermediateSize, [.. roots], experts);
    }

    private FullWeights Full(int layer, int expert) => new(
        _matrices[new TensorSlot(TensorRole.Gate, layer, expert)],
        _matrices[new TensorSlot(TensorRole.Up, layer, expert)],
        _matrices[new TensorSlot(TensorRole.Down, layer, expert)],
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.GateBias, layer, expert)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.UpBias, layer, expert)),
        _vectors.GetValueOrDefault(new TensorSlot(TensorRole.DownBias, layer, expert)));

    // From the correction that stands on the root to the expert's own; experts on one base share its corrections.
    private LowRankWeights[] Chain(int layer, int expert, MixtureDescription mixture)
    {
        List<LowRankWeights> chain = [];
        for (int link = expert; !mixture.Experts[link].IsFull; link = mixture.Experts[link].Base)
        {
            chain.Insert(0, Correction(layer, link));
        }

        return [.. chain];
    }

    private LowRankWeights Correction(int layer, int expert)
    {
        if (!_corrections.TryGetValue((layer, expert), out LowRankWeights? correction))
        {
            correction = new LowRankWeights(
                Factor(TensorRole.GateA), Factor(TensorRole.GateB), Factor(TensorRole.UpA), Factor(TensorRole.UpB), Factor(TensorRole.DownA), Factor(TensorRole.DownB));
            _corrections[(layer, expert)] = correction;
        }

        return correction;

        PackedMatrix Factor(TensorRole role) => _matrices[new TensorSlot(role, layer, expert)];
    }
}
