using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Matches the tensors of a checkpoint with a layout and collects every difference.</summary>
internal sealed class TensorResolver
{
    private const string IgnoredSuffix = ".rotary_emb.inv_freq";

    private static readonly string[] PackedTypes = [.. Enum.GetValues<WeightFormat>().Where(f => f.IsQuantized()).Select(f => f.ToString())];

    private readonly TensorLayout _layout;
    private readonly Dictionary<string, TensorShape> _present;
    private readonly Dictionary<string, TensorSlot> _slots;
    private readonly TensorDefects _defects = new();

    public TensorResolver(TensorLayout layout, IReadOnlyCollection<TensorShape> present)
    {
        _layout = layout;
        _present = new Dictionary<string, TensorShape>(present.Count, StringComparer.Ordinal);
        _slots = new Dictionary<string, TensorSlot>(present.Count, StringComparer.Ordinal);
        foreach (TensorShape tensor in present)
        {
            // Buffers that old transformers versions saved; the frequencies follow from the configuration.
            if (!tensor.Name.EndsWith(IgnoredSuffix, StringComparison.Ordinal) && !_present.TryAdd(tensor.Name, tensor))
            {
                _defects.AddDuplicate(tensor.Name);
            }
        }
    }

    public TensorMap Resolve(string source)
    {
        foreach (ExpectedTensor expected in _layout.OuterTensors)
        {
            Match(expected);
        }

        // With tied embeddings a head of its own is optional, and used when it is there.
        if (_layout.Description.TieEmbeddings && _present.ContainsKey(_layout.Head.Name))
        {
            Match(_layout.Head);
        }

        for (int layer = 0; layer < _layout.Description.LayerCount; layer++)
        {
            bool fused = _layout.AllowsFusedExperts
                && (_present.ContainsKey(_layout.FusedGateUpName(layer)) || _present.ContainsKey(_layout.FusedDownName(layer)));
            foreach (ExpectedTensor expected in _layout.LayerTensors(layer, fused))
            {
                Match(expected);
            }
        }

        foreach (TensorShape tensor in _present.Values.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            if (!_slots.ContainsKey(tensor.Name))
            {
                _defects.AddUnexpected(tensor.Name, tensor.Type, tensor.Shape);
            }
        }

        _defects.ThrowIfAny(source);
        return new TensorMap(_slots);
    }

    private void Match(ExpectedTensor expected)
    {
        if (!_present.TryGetValue(expected.Name, out TensorShape found))
        {
            _defects.AddMissing(expected);
            return;
        }

        _slots.Add(expected.Name, expected.Slot);
        _defects.CompareShape(expected, found.Shape);
        if (!TensorDefects.WeightTypes.Contains(found.Type) && !PackedTypes.Contains(found.Type))
        {
            _defects.AddMistyped(expected, found.Type);
        }
    }
}
