using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Reads a model directory into packed weights, streaming: memory holds the packed weights and one read buffer.</summary>
public sealed class ModelLoader
{
    private readonly LoadOptions _options;
    private readonly ModelDescription _stored;
    private readonly HeldExperts _held;
    private readonly Dictionary<TensorSlot, PackedMatrix> _matrices = [];
    private readonly Dictionary<TensorSlot, Activations> _vectors = [];
    private readonly List<IDisposable> _owned = [];
    private readonly Dictionary<string, string> _digests = [];
    private readonly Dictionary<(int Layer, int Expert), LowRankWeights> _corrections = [];

    private ModelLoader(ModelDescription stored, LoadOptions options)
    {
        _stored = stored;
        _options = options;
        _held = HeldExperts.Of(stored.Mixture, options.Experts);
    }

    /// <summary>Loads a model.</summary>
    /// <param name="directory">A directory with <c>config.json</c> and safetensors weights.</param>
    /// <param name="options">What to do with the weights.</param>
    /// <param name="progress">Told how far the reading is.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    /// <exception cref="ModelConfigException">The configuration is not supported.</exception>
    /// <exception cref="ArgumentException">The experts to load are unknown or none, or leave out the base of one that stays.</exception>
    /// <exception cref="CheckpointException">A file is malformed, a tensor is missing, unexpected or misshapen, or memory does not suffice.</exception>
    public static ModelWeights Load(
        string directory, LoadOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new LoadOptions();
        ModelDescription stored = ModelConfigReader.Read(Path.Combine(directory, options.ConfigFile), options.ConfigOverrides);
        using WeightFiles files = WeightFiles.Open(directory);
        return Load(files, stored, directory, options, progress, cancellationToken);
    }

    internal static ModelWeights Load(
        WeightFiles files,
        ModelDescription stored,
        string directory,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        ModelLoader loader = new(stored, options);
        try
        {
            loader.Read(files, directory, progress, cancellationToken);
            return loader.Assemble();
        }
        catch
        {
            loader._owned.ForEach(o => o.Dispose());
            throw;
        }
    }

    private void Read(WeightFiles files, string directory, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TensorShape[] present = TensorShape.Of(files);
        TensorMap map = new TensorLayout(_stored).Resolve(present, directory);
        CheckMemory(files, map, directory);
        CheckpointReadOptions reading = new()
        {
            RejectNonFinite = _options.RejectNonFinite,
            ComputeSha256 = _options.ComputeSha256 && _held.IsAll,
        };
        files.Load(Choose, reading, progress, cancellationToken);
        foreach (SafetensorsFile file in files.Files)
        {
            if (file.Sha256 is { } digest)
            {
                _digests[Path.GetFileName(file.Path)] = digest;
            }
        }

        ITensorSink? Choose(TensorEntry entry) =>
            map.Slots.TryGetValue(entry.Name, out TensorSlot slot) && IsHeld(slot) ? Sink(entry, slot) : null;
    }

    private void CheckMemory(WeightFiles files, TensorMap map, string directory)
    {
        CheckedSize needed = new(0, directory);
        foreach (StoredTensor tensor in files.Tensors)
        {
            if (map.Slots.TryGetValue(tensor.Entry.Name, out TensorSlot slot) && IsHeld(slot))
            {
                bool isFused = slot.Role is TensorRole.FusedGateUp or TensorRole.FusedDown;
                int experts = isFused ? _stored.Mixture!.Count : 1, held = isFused ? Experts(_held.IsHeld).Length : 1;

                // Scales included, padding not.
                const int Columns = 64;
                long panel = Format(Stored(tensor.Entry), slot.Role).PanelBytes(Columns);
                UInt128 weights = (UInt128)(tensor.Entry.ElementCount / experts * held);
                needed += checked((ulong)(weights * (UInt128)panel / (Columns * PackedMatrix.PanelRows)));
            }
        }

        long limit = _options.MemoryLimit ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10 * 9;
        if (needed.ToInt64() > limit)
        {
            throw new CheckpointException(
                CheckpointError.MemoryExceeded, directory, $"weights that fit {limit:N0} bytes of memory", $"{needed.Value:N0} bytes of packed weights");
        }
    }

    private bool IsHeld(TensorSlot slot) => slot.Expert < 0 || _held.IsHeld(slot.Expert);

    private int[] Experts(Func<int, bool> condition) => [.. Enumerable.Range(0, _stored.Mixture!.Count).Where(condition)];

    private static StoredType Stored(TensorEntry entry) => entry.Type switch
    {
        TensorType.BF16 => StoredType.BF16,
        TensorType.F16 => StoredType.F16,
        _ => StoredType.F32,
    };

    // Routers and low-rank factors are small and decide much: they stay what they are when the rest is quantised.
    private WeightFormat Format(StoredType type, TensorRole role)
    {
        WeightFormat stored = type == StoredType.BF16 ? WeightFormat.BF16 : WeightFormat.F32;
        WeightFormat kept = _options.Weights ?? stored;
        bool isSmall = role is TensorRole.Router or TensorRole.GateA or TensorRole.GateB or TensorRole.UpA or TensorRole.UpB or TensorRole.DownA or TensorRole.DownB;
        return kept.IsQuantized() && isSmall ? stored : kept;
    }

    private ITensorSink? Sink(TensorEntry entry, TensorSlot slot)
    {
        StoredType type = Stored(entry);
        if (entry.Shape.Length == 1)
        {
            Activations vector = Own(new Activations(1, (int)entry.Shape[0]));
            _vectors[slot] = vector;
            return new VectorSink(vector, type);
        }

        int columns = (int)entry.Shape[^1];
        if (slot.Role is TensorRole.FusedGateUp or TensorRole.FusedDown)
        {
            long expertBytes = entry.ByteCount / entry.Shape[0];
            TensorPart[] parts = [.. Experts(_held.IsHeld).Select(e => new TensorPart(e * expertBytes, (e + 1) * expertBytes))];
            return new RowSink(FusedTargets(slot, (int)entry.Shape[1], columns, Format(type, slot.Role)), type, columns, parts: parts);
        }

        int rows = (int)entry.Shape[0];
        ExpertDescription? expert = slot.Expert >= 0 ? _stored.Mixture!.Experts[slot.Expert] : null;
        if (slot.Role is TensorRole.GateA or TensorRole.UpA or TensorRole.DownA)
        {
            return new RowSink([Matrix(slot, Cut(rows), columns, Format(type, slot.Role))], type, columns);
        }

        if (slot.Role is TensorRole.GateB or TensorRole.UpB or TensorRole.DownB)
        {
            // A scale that is not a power of two would round the weights once more: such factors stay float32.
            bool exact = IsPowerOfTwo(expert!.Scale);
            return new RowSink([Matrix(slot, rows, Cut(columns), exact ? Format(type, slot.Role) : WeightFormat.F32)], type, columns, expert.Scale);
        }

        PackedMatrix matrix = Matrix(slot, rows, columns, Format(type, slot.Role));
        return slot.Role == TensorRole.Router && !_held.IsAll
            ? new SomeRowsSink(matrix, Experts(_held.IsAvailable), type)
            : new RowSink([matrix], type, columns);
    }

    private static bool IsPowerOfTwo(float value) => float.IsNormal(value) && (BitConverter.SingleToUInt32Bits(value) & 0x7FFFFF) == 0;

    private int Cut(int rank) => Math.Min(rank, _options.MaxRank ?? rank);

    private PackedMatrix[] FusedTargets(TensorSlot slot, int rowsPerExpert, int columns, WeightFormat format)
    {
        List<PackedMatrix> targets = [];
        foreach (int expert in Experts(_held.IsHeld))
        {
            if (slot.Role == TensorRole.FusedDown)
            {
                targets.Add(Matrix(new TensorSlot(TensorRole.Down, slot.Layer, expert), rowsPerExpert, columns, format));
            }
            else
            {
                targets.Add(Matrix(new TensorSlot(TensorRole.Gate, slot.Layer, expert), rowsPerExpert / 2, columns, format));
                targets.Add(Matrix(new TensorSlot(TensorRole.Up, slot.Layer, expert), rowsPerExpert / 2, columns, format));
            }
        }

        return [.. targets];
    }

    private PackedMatrix Matrix(TensorSlot slot, int rows, int columns, WeightFormat format) =>
        _matrices[slot] = Own(new PackedMatrix(rows, columns, format));

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    private ModelWeights Assemble()
    {
        ModelDescription description = _stored.Mixture is { } mixture ? _stored with { Mixture = Effective(mixture) } : _stored;
        PackedMatrix embedding = _matrices[new TensorSlot(TensorRole.Embedding)];
        PackedMatrix head = _matrices.GetValueOrDefault(new TensorSlot(TensorRole.Head), embedding);
        LayerWeights[] layers = [.. Enumerable.Range(0, _stored.LayerCount).Select(layer => Layer(layer, description))];
        FreeUnused(layers);
        return new ModelWeights(description, embedding, head, _vectors[new TensorSlot(TensorRole.FinalNorm)], layers, _owned) { FileSha256 = _digests };
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
            [.. mixture.Experts.Select(e => e with { Rank = Cut(e.Rank), IsAvailable = _held.IsAvailable(e.Index) })];
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
