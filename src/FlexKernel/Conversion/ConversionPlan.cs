using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>Finds, for every tensor of a converted model, the stored rows it is made of.</summary>
internal sealed class ConversionPlan
{
    private readonly WeightFiles _files;
    private readonly TensorMap _source;
    private readonly TensorLayout _layout;
    private readonly StoredProjection _projections;
    private readonly ConversionOptions _options;
    private readonly int[] _kept;
    private readonly AdapterMerge? _merge;

    private ConversionPlan(
        WeightFiles files, TensorMap source, ModelDescription description, int[] kept, ConversionOptions options, AdapterMerge? merge)
    {
        _files = files;
        _source = source;
        _layout = new TensorLayout(description);
        _projections = new StoredProjection(files, source, description);
        _options = options;
        _kept = kept;
        _merge = merge;
        if (options.ExpertStorage == ExpertStorage.Fused && !_layout.AllowsFusedExperts)
        {
            throw new ArgumentException(
                "Experts can be fused only when all are full and the model type is flex_olmo, flex_more or olmoe.", nameof(options));
        }
    }

    private bool RejectsOverflow { get; init; } = true;

    /// <summary>Lists the tensors of a converted model.</summary>
    /// <param name="files">The source's weights.</param>
    /// <param name="source">Their places.</param>
    /// <param name="config">The new configuration.</param>
    /// <param name="options">What is to change.</param>
    /// <param name="merge">The adapter to merge, or null.</param>
    /// <exception cref="ArgumentException">Experts cannot be stored as asked.</exception>
    public static List<CopiedTensor> Create(
        WeightFiles files, TensorMap source, ConvertedConfig config, ConversionOptions options, AdapterMerge? merge)
    {
        ConversionPlan plan = new(files, source, config.Description, config.Kept, options, merge);
        return [.. plan.Expected().Select(plan.Plan)];
    }

    /// <summary>Finds the tensors that an adapter changes when nothing else is converted.</summary>
    /// <param name="files">The weights.</param>
    /// <param name="source">Their places.</param>
    /// <param name="description">Their model.</param>
    /// <param name="merge">The adapter.</param>
    /// <param name="rejectOverflow">Whether a value outside the range of its stored type is an error.</param>
    /// <returns>What they become, in their stored types and order of rows, by the names under which they are stored.</returns>
    public static Dictionary<string, CopiedTensor> Merged(
        WeightFiles files, TensorMap source, ModelDescription description, AdapterMerge merge, bool rejectOverflow)
    {
        int[] all = [.. Enumerable.Range(0, description.Mixture?.Count ?? 0)];
        ConversionPlan plan = new(files, source, description, all, new ConversionOptions(), merge) { RejectsOverflow = rejectOverflow };
        return plan.Expected()
            .Select(tensor => (Name: source.NameOf(tensor.Slot), Tensor: plan.Plan(tensor)))
            .Where(planned => planned.Tensor.HasChanges)
            .ToDictionary(planned => planned.Name, planned => planned.Tensor);
    }

    private IEnumerable<ExpectedTensor> Expected()
    {
        // A head beside tied embeddings is optional; one that is there is used, and kept.
        bool hasTiedHead = _layout.Description.TieEmbeddings && _source.TryGetName(_layout.Head.Slot, out _);
        IEnumerable<ExpectedTensor> outer = hasTiedHead ? _layout.OuterTensors.Append(_layout.Head) : _layout.OuterTensors;
        IEnumerable<int> layers = Enumerable.Range(0, _layout.Description.LayerCount);
        return outer.Concat(layers.SelectMany(layer => _layout.LayerTensors(layer, IsFused(layer))));
    }

    private bool IsFused(int layer) => _options.ExpertStorage switch
    {
        ExpertStorage.Fused => true,
        ExpertStorage.Split => false,
        _ => _source.TryGetName(new TensorSlot(TensorRole.FusedGateUp, layer), out _),
    };

    private CopiedTensor Plan(ExpectedTensor tensor)
    {
        ImmutableArray<SlotRows> sources = [.. Sources(tensor)];
        ImmutableArray<StoredRows> rows = [.. sources.Select(source => source.Stored)];
        TensorType type = _options.Type ?? rows[0].Tensor.Entry.Type;
        if (_options.Type is null && rows.FirstOrDefault(r => r.Tensor.Entry.Type != type) is { Count: > 0 } other)
        {
            throw new ArgumentException(
                $"The parts of {tensor.Name} have different element types, {type.FormatName()} and"
                + $" {other.Tensor.Entry.Type.FormatName()}: say which to store.",
                nameof(tensor));
        }

        TensorSpec spec = new(tensor.Name, type, tensor.Shape);
        return new CopiedTensor(spec, _merge is null ? rows : [.. sources.Select(source => _merge.Apply(source))]) { RejectsOverflow = RejectsOverflow };
    }

    private IEnumerable<SlotRows> Sources(ExpectedTensor tensor)
    {
        TensorSlot slot = tensor.Slot;
        return slot.Role switch
        {
            TensorRole.Router => _kept.Select(expert => new SlotRows(slot, expert, new StoredRows(Whole(slot), expert, 1))),
            TensorRole.FusedGateUp => _kept.SelectMany(expert => new[] { Of(TensorRole.Gate, expert), Of(TensorRole.Up, expert) }),
            TensorRole.FusedDown => _kept.Select(expert => Of(TensorRole.Down, expert)),
            TensorRole.Gate or TensorRole.Up or TensorRole.Down when slot.Expert >= 0 => [Of(slot.Role, _kept[slot.Expert])],
            _ => [new SlotRows(Stored(slot), 0, new StoredRows(Whole(Stored(slot)), 0, tensor.Shape.Length == 1 ? 1 : tensor.Shape[0]))],
        };

        SlotRows Of(TensorRole role, int expert) =>
            new(new TensorSlot(role, slot.Layer, expert), 0, _projections.Of(role, slot.Layer, expert));
    }

    private TensorSlot Stored(TensorSlot slot) => slot.Expert < 0 ? slot : slot with { Expert = _kept[slot.Expert] };

    private StoredTensor Whole(TensorSlot slot) => _files[_source.NameOf(slot)];
}
